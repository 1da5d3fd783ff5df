from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.monitor.actors import NO_SCORE, Actor, Actors
from guardsdk.monitor.alerts import Kind, Severity
from guardsdk.monitor.approach import Step
from guardsdk.monitor.behaviour import Everybody, Near, Seen, answered, asked
from guardsdk.monitor.sketch import LEARNED_FROM, Sketcher, similarity
from guardsdk.policy.monitoring import ActorRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from guardsdk.monitor.behaviour import Told

RULES = ActorRules()
ADJACENT = 2.0
NEAR = Near(ADJACENT, band=1.0)


def usual() -> Everybody:
    return Everybody(blocked=0.02, adjacent=0.03, variants=0.02)


def embedding(seed: int, near: int | None = None, cosine: float = 0.0) -> NDArray[np.float32]:
    """A unit vector, on request at a cosine to that of another seed."""
    vector = np.random.default_rng(seed).standard_normal(384)
    vector /= np.linalg.norm(vector)
    if near is not None:
        base = embedding(near).astype(np.float64)
        across = vector - (vector @ base) * base
        vector = cosine * base + (1 - cosine**2) ** 0.5 * across / np.linalg.norm(across)
    return vector.astype(np.float32)


def taught(secret: bytes) -> Sketcher:
    """A sketcher that has seen traffic in which every text points the same way but for a little."""
    sketcher = Sketcher(lambda: secret)
    for seed in range(LEARNED_FROM):
        assert not sketcher.ready
        sketcher.learn(embedding(seed + 5000) * 0.3 + USUAL_DIRECTION)
    return sketcher


USUAL_DIRECTION = embedding(4999)
SKETCHER = taught(b"a secret")


def seen(
    number: float,
    closeness: float | None = -8.0,
    *,
    held: bool = False,
    sketch: bytes | None = None,
    steps: Sequence[Step] = (),
    refusal: float = 0,
) -> Seen:
    return Seen(number * 10.0, closeness, held, lambda: sketch, lambda: steps, refusal)


def kinds(actor: Actor, texts: Iterable[Seen]) -> list[Kind]:
    return [told.kind for text in texts for told in asked(actor, text, usual, RULES, NEAR)]


def sketch(seed: int, near: int | None = None, cosine: float = 0.0, by: Sketcher = SKETCHER) -> bytes:
    made = by.sketch(embedding(seed, near, cosine) * 0.3 + USUAL_DIRECTION)
    assert made is not None
    return made


@pytest.mark.parametrize("cosine", [0.0, 0.5, 0.85, 0.95, 1.0])
def test_sketches_tell_how_alike_texts_are(cosine: float) -> None:
    found = [similarity(sketch(seed), sketch(seed + 1000, seed, cosine)) for seed in range(40)]
    assert sum(found) / len(found) == pytest.approx(cosine, abs=0.05)


def test_the_likest_text_before_is_found_by_what_texts_are_about() -> None:
    vectors = [(1, None, 0.0), (2, None, 0.0), (3, 1, 0.9), (4, 2, 0.6)]
    texts = [embedding(*vector) * 0.3 + USUAL_DIRECTION for vector in vectors]
    found = SKETCHER.likest(texts)
    assert found == pytest.approx([-1.0, 0.0, 0.9, 0.6], abs=0.15)
    assert SKETCHER.likest([text[:10] for text in texts]) is None
    assert Sketcher(lambda: b"x").likest(texts) is None
    assert SKETCHER.likest([np.array(SKETCHER._mean)] * 2) == [-1.0, pytest.approx(0.0, abs=1.0)]


def test_another_secret_gives_sketches_that_say_nothing() -> None:
    other = taught(b"another")
    found = [similarity(sketch(seed), sketch(seed, by=other)) for seed in range(40)]
    assert abs(sum(found) / len(found)) < 0.1


def test_nothing_is_sketched_before_ordinary_texts_were_seen() -> None:
    fresh = Sketcher(lambda: b"a secret")
    assert fresh.sketch(embedding(1)) is None
    assert fresh.lessons is None
    fresh.restore(SKETCHER.state())
    assert fresh.lessons == SKETCHER.lessons
    assert sketch(1, by=fresh) == sketch(1)
    assert fresh.sketch(embedding(1)[:100]) is None


def test_repeated_blocks_are_told_and_a_few_among_many_are_not() -> None:
    told = kinds(Actor(), [seen(at, 1.0, held=True) for at in range(8)])
    assert told[0] is Kind.REPEATED_BLOCKS
    ordinary = [seen(at, 1.0, held=True) if at % 50 == 0 else seen(at) for at in range(1000)]
    assert kinds(Actor(), ordinary) == []


def test_blocks_long_ago_fade() -> None:
    actor = Actor()
    spread = [seen(at * RULES.window_s, 1.0, held=True) for at in range(5)]
    assert kinds(actor, spread) == []
    assert actor.blocks < 1.5


def test_many_texts_close_below_a_threshold_are_told() -> None:
    chance = random.Random(1)
    found = kinds(Actor(), [seen(at, -1.0 - 0.5 * chance.random()) for at in range(12)])
    assert Kind.ADJACENT_VOLUME in found
    assert kinds(Actor(), [seen(at, -1.5 if at % 30 == 0 else -7.0) for at in range(900)]) == []


def test_scores_that_climb_towards_a_threshold_are_told_before_it_is_reached() -> None:
    told = kinds(Actor(), [seen(at, -9.0 + 0.8 * at) for at in range(11)])  # ends at -1.0
    assert Kind.PROBING in told


def test_a_climb_far_from_every_threshold_is_nobodys_business() -> None:
    assert kinds(Actor(), [seen(at, -19.0 + 0.5 * at) for at in range(30)]) == []


def test_scores_in_any_order_are_no_climb() -> None:
    chance = random.Random(2)
    told = [kinds(Actor(), [seen(at, chance.gauss(-6, 2)) for at in range(60)]) for _ in range(200)]
    assert all(Kind.PROBING not in one for one in told)


def test_the_same_score_again_is_no_climb() -> None:
    actor, told = Actor(), []
    for at in range(20):
        told += kinds(actor, [seen(at, -1.1 if at > 15 else -4.4)])
        actor = Actor.unpacked(actor.packed())
    assert Kind.PROBING not in told


def test_a_blocked_text_in_new_words_that_passes_is_told_once() -> None:
    actor = Actor()
    texts = [
        seen(1, 2.0, held=True, sketch=sketch(1)),
        seen(2, -8.0, sketch=sketch(2)),
        seen(3, -4.0, sketch=sketch(3, 1, 0.95)),
        seen(4, -4.0, sketch=sketch(4, 1, 0.95)),
    ]
    assert [kinds(actor, [text]) for text in texts] == [[], [], [Kind.REPHRASED], []]


def test_a_text_far_from_every_threshold_must_be_more_alike() -> None:
    held = seen(1, 2.0, held=True, sketch=sketch(1))
    assert kinds(Actor(), [held, seen(2, -1.0, sketch=sketch(3, 1, 0.65))]) == [Kind.REPHRASED]
    assert kinds(Actor(), [held, seen(2, -5.0, sketch=sketch(3, 1, 0.65))]) == []


def test_blocked_texts_that_are_each_a_little_like_a_later_one_tell_together() -> None:
    blocked = [seen(at, 2.0, held=True, sketch=sketch(20 + at, 1, 0.62)) for at in range(3)]
    passes = seen(4, -5.0, sketch=sketch(1))
    assert kinds(Actor(), [*blocked, passes])[-1] is Kind.REPHRASED
    assert kinds(Actor(), [blocked[0], passes]) == []
    others = [seen(at, 2.0, held=True, sketch=sketch(30 + at)) for at in range(3)]
    assert Kind.REPHRASED not in kinds(Actor(), [*others, passes])


def test_new_words_long_after_the_block_are_no_attempt_at_it() -> None:
    later = RULES.window_s / 10 + 5
    texts = [seen(1, 2.0, held=True, sketch=sketch(1)), seen(later, -4.0, sketch=sketch(1))]
    assert kinds(Actor(), texts) == []


def bypass(question: bytes, again: bytes, closeness: float, refusal: float = 0.01) -> list[Told]:
    actor = Actor()
    told = list(asked(actor, seen(1, sketch=question), usual, RULES, NEAR))
    told += answered(actor, seen(2, refusal=0.99, sketch=question), RULES, ADJACENT)
    told += asked(actor, seen(3, sketch=again), usual, RULES, NEAR)
    return [*told, *answered(actor, seen(4, closeness, refusal=refusal), RULES, ADJACENT)]


def test_an_answer_after_a_refusal_of_the_same_is_told() -> None:
    (told,) = bypass(sketch(1), sketch(2, 1, 0.95), -6.0)
    assert told.kind is Kind.REFUSAL_BYPASS
    assert told.severity is Severity.WARNING
    (worse,) = bypass(sketch(1), sketch(2, 1, 0.95), -0.5)
    assert worse.severity is Severity.CRITICAL


def test_another_question_or_another_refusal_is_no_bypass() -> None:
    assert bypass(sketch(1), sketch(2), -6.0) == []
    assert bypass(sketch(1), sketch(2, 1, 0.95), -6.0, refusal=0.95) == []


def test_refusals_that_are_each_a_little_like_the_question_tell_together() -> None:
    a_little = 0.36

    def told(refused: int) -> list[Kind]:
        actor = Actor()
        for at in range(refused):
            actor.remember("refused", at * 10.0, sketch(20 + at, 1, a_little))
        kinds(actor, [seen(5, sketch=sketch(1))])
        return [one.kind for one in answered(actor, seen(6, -6.0), RULES, ADJACENT)]

    assert told(1) == []
    assert told(4) == [Kind.REFUSAL_BYPASS]
    actor = Actor()
    for at in range(4):
        actor.remember("refused", at * 10.0, sketch(30 + at))
    kinds(actor, [seen(5, sketch=sketch(1))])
    assert answered(actor, seen(6, -6.0), RULES, ADJACENT) == []


def test_an_answer_that_refuses_in_every_part_of_a_stream_is_one_refusal() -> None:
    question = sketch(20, 1, 0.36)

    def told(again: bytes) -> list[Told]:
        actor = Actor()
        kinds(actor, [seen(1, sketch=question)])
        for part in range(2, 6):
            assert answered(actor, seen(part, refusal=0.99, sketch=question), RULES, ADJACENT) == []
        kinds(actor, [seen(6, sketch=again)])
        return answered(actor, seen(7, -6.0), RULES, ADJACENT)

    assert told(sketch(1)) == [], "only a little like it"
    (same,) = told(question)
    assert same.evidence["refused"] == 1.0


def approached(steps: Sequence[Step], *, held: bool) -> list[Kind]:
    """What is told of somebody whose last texts are ``steps``."""
    return kinds(Actor(), [seen(1, steps[-1].closeness, held=held, steps=steps)])


def test_variants_of_one_text_of_which_the_last_is_over_the_line_are_told() -> None:
    flat = [Step(-5.5 + 0.1 * (at % 3), at > 0) for at in range(6)]
    assert approached([*flat, Step(0.5, variant=True)], held=True) == [Kind.PROBING]
    assert approached([*flat, Step(0.5, variant=False)], held=True) == [Kind.PROBING]
    others = [Step(step.closeness, variant=False) for step in flat]
    assert approached([*others, Step(0.5, variant=False)], held=True) == []


def test_variants_whose_scores_climb_are_told_before_the_line_and_those_that_do_not_are_not() -> None:
    climb = [Step(-5.0 + 0.5 * at, at > 0) for at in range(8)]
    assert approached(climb, held=False) == [Kind.PROBING]
    back = [Step(step.closeness - (1.2 if at == 4 else 0.0), step.variant) for at, step in enumerate(climb)]
    assert approached(back, held=False) == [Kind.PROBING]
    assert approached([*reversed(climb), climb[-1]], held=False) == []


def test_where_texts_cannot_be_compared_a_climb_of_a_few_proves_nothing() -> None:
    assert approached([Step(-5.0 + 0.5 * at, None) for at in range(8)], held=False) == []


def test_an_actor_is_packed_without_loss_of_what_matters() -> None:
    actor = Actor(seen_s=1.79e9, asked=7, highest=-1.5, blocks=2.25, returned=True)
    for number in range(6):
        actor.remember("held", 1.79e9 + number, sketch(number))
    actor.remember("refused", 1.79e9, sketch(9))
    assert Actor.unpacked(actor.packed()) == actor
    assert [text.time_s - 1.79e9 for text in actor.of("held")] == [3, 4, 5]
    assert len(Actor().packed()) < 64
    with pytest.raises(ValueError, match="no actor"):
        Actor.unpacked(b"1234")


def test_two_halves_of_an_actor_make_the_whole() -> None:
    one, two, whole = Actor(), Actor(), Actor()
    for at in range(6):
        kinds(whole, [seen(at, 1.0, held=True, sketch=sketch(at))])
        kinds(one if at % 2 else two, [seen(at, 1.0, held=True, sketch=sketch(at))])
    one.merge(two, RULES.window_s)
    assert one.blocks == pytest.approx(whole.blocks, rel=0.01)
    assert one.blocked == pytest.approx(whole.blocked)
    assert {text.sketch for text in one.of("held")} == {text.sketch for text in whole.of("held")}


def test_actors_are_bounded_in_number_and_in_time() -> None:
    clock = [0.0]
    actors = Actors(3, 100.0, lambda: clock[0])
    names = [f"{number:016x}{0:016x}" for number in range(5)]
    for name in names:
        actors.put(name, Actor(asked=1))
    assert len(actors) == 3
    assert actors.get(names[0]).asked == 0
    assert actors.get(names[4]).asked == 1
    clock[0] = 101.0
    assert actors.get(names[4]).asked == 0
    assert len(actors) == 0


def test_counts_of_a_clock_that_was_ahead_fade_by_the_one_that_is_right() -> None:
    actor, ahead = Actor(), 1e6
    kinds(actor, [seen(ahead, 1.0, held=True, sketch=sketch(1))])
    kinds(actor, [seen(ahead - 1.0, 1.0, held=True, sketch=sketch(2))])  # two checks in another order
    assert (actor.seen_s, len(actor.texts)) == (ahead * 10.0, 2)
    kinds(actor, [seen(0.0)])
    assert (actor.seen_s, actor.texts) == (0.0, [])
    before = actor.blocks
    kinds(actor, [seen(RULES.window_s / 10.0)])
    assert actor.blocks == pytest.approx(before / np.e)


def test_a_new_actor_has_no_score() -> None:
    assert Actor().highest == NO_SCORE
