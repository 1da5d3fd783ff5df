"""The dossier: evidence from real artefacts, listed against published frameworks, with gaps shown."""

from guardsdk.dossier.build import Inputs, build
from guardsdk.render.document import Document, as_html, as_markdown

__all__ = ["Document", "Inputs", "as_html", "as_markdown", "build"]
