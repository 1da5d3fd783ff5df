"""Incidents: what happened, who was harmed, which decisions belong to it, and by when it must be reported."""

from guardsdk.incidents.clocks import Clock, Harm, Role, clocks, serious
from guardsdk.incidents.events import Closing, Incident, Note, Opening, Report
from guardsdk.incidents.log import IncidentLog

__all__ = [
    "Clock",
    "Closing",
    "Harm",
    "Incident",
    "IncidentLog",
    "Note",
    "Opening",
    "Report",
    "Role",
    "clocks",
    "serious",
]
