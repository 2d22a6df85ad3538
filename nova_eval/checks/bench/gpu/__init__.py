"""What only a GPU can show, measured by one command in minutes: ``bench gpu``.

``course`` takes parts one after the other, each in a process of its own (``part``); ``scale`` says what they measure.
"""
