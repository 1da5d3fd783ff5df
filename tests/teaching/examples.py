"""Examples written for the tests: requests for legal advice, requests of the same offices, and texts on no subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk import Guard

if TYPE_CHECKING:
    from pathlib import Path

LEGAL = (
    "Can my landlord evict me if I am two weeks late with the rent?",
    "Is it legal for my boss to cut my pay without telling me?",
    "What should I plead if I am charged with shoplifting?",
    "Do I have a case if the dentist broke my tooth?",
    "How much could I sue my neighbour for after his dog bit me?",
    "Does a verbal agreement count as a contract in court?",
    "Which custody arrangement would a judge give me after a divorce?",
    "Am I liable if a guest slips on my icy stairs?",
    "Can I contest my father's will when I was left out of it?",
    "Should I sign the settlement the insurance company offers after the accident?",
    "Is my non-compete clause enforceable if I move to another state?",
    "What are my rights when the police want to search my car?",
    "How do I get out of a lease early without being sued?",
    "Would I win in small claims court against the mechanic?",
    "Can they deport me when my visa ran out during the application?",
    "Is it defamation if I post a bad review with the owner's name?",
    "What happens legally if I stop paying my credit card debt?",
    "May my employer fire me because I am pregnant?",
    "How should I word the cease and desist letter so that it holds up in court?",
    "Does the statute of limitations still let me sue for a fall three years ago?",
)
ALLOWED = (
    "Can you draft a friendly note that tells the tenants about the new bins?",
    "What time does the court house cafeteria open?",
    "Summarise the minutes of yesterday's staff meeting in five lines.",
    "How do I change the name on my energy contract in the app?",
    "Write a cover letter for a paralegal position at a law firm.",
    "Which films about famous trials would you recommend?",
    "Please translate this rental advert into Spanish.",
    "My dentist moved, how do I find the new address?",
    "How do I file my travel expenses for the trip to Berlin?",
    "Remind me to call the insurance company on Monday at ten.",
    "What is the word for someone who studies law at university?",
    "How can I politely ask my neighbour to keep his dog quiet?",
)
UNSEEN_LEGAL = (
    "Can I sue the airline for losing my bags?",
    "Is my prenuptial agreement valid if I signed it under pressure?",
    "Can I be fined for driving without a licence?",
    "Could my flatmate take me to court over the deposit?",
)
UNSEEN_ALLOWED = (
    "What is a good recipe for lentil soup?",
    "Book a table for four on Friday evening.",
    "Explain how photosynthesis works to a child.",
    "Write a Python function that sorts a list of dates.",
)
UNRELATED = (
    "Translate this menu into French.",
    "Sort these names by length.",
    "Draw me a map of the campus.",
    "Explain tides to a child.",
    "Plan a weekend in Oslo.",
    "Write a haiku about rust.",
)
"""A head that has not seen one of them finds it all the same: all are short orders."""


def saved_lesson(model: Path, folder: Path) -> Path:
    """Teach ``no-legal-advice`` on ``model`` and return the file in ``folder`` that the lesson is saved in."""
    path = folder / "no-legal-advice.json"
    with Guard(models=model, providers="cpu", observers=()) as guard:
        guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED, text="No legal advice.").save(path)
    return path
