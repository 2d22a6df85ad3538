"""Drawings in SVG, made as text: no script, font or color of their own; a page's style sheet paints their classes."""
