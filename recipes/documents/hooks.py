"""What mkdocs calls: the pages of the reference join those that lie in ``docs``."""

from __future__ import annotations

from typing import Any

from recipes.documents.reference import pages


def on_files(files: Any, config: Any) -> Any:
    """``files`` of mkdocs, with the generated ones."""
    from mkdocs.structure.files import File

    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    return files
