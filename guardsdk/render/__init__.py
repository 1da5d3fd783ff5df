"""Rendering: self-contained HTML pages with pictures. Figures in, text out; nothing is read or kept."""

from guardsdk.render.axes import Axis
from guardsdk.render.bars import Bar, Counts, histogram, interval_chart
from guardsdk.render.drawing import standalone
from guardsdk.render.lines import Layer, Limit, Series, Spot, line_chart, stacked_area
from guardsdk.render.markup import Markup, joined
from guardsdk.render.page import (
    Card,
    Section,
    Tone,
    bullets,
    cards,
    code,
    facts,
    figure,
    heading,
    hidden,
    page,
    paragraph,
    quoted,
    table,
    toned,
)

__all__ = [
    "Axis",
    "Bar",
    "Card",
    "Counts",
    "Layer",
    "Limit",
    "Markup",
    "Section",
    "Series",
    "Spot",
    "Tone",
    "bullets",
    "cards",
    "code",
    "facts",
    "figure",
    "heading",
    "hidden",
    "histogram",
    "interval_chart",
    "joined",
    "line_chart",
    "page",
    "paragraph",
    "quoted",
    "stacked_area",
    "standalone",
    "table",
    "toned",
]
