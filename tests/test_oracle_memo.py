"""What a victim said is remembered by the whole question, and by nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door
from leakboard.api import Defense
from leakboard.asking import Cost
from leakboard.oracle.memo import Memo, digest


@pytest.fixture
def memo():
    return Memo(Handmade(), batch_size=2)


def test_two_questions_about_the_same_tensor_are_two(memo):
    """`encode` and `decode` take a tensor each, and nothing more: only their names tell them apart."""
    tensor = torch.rand(3, 1, 8, 8)

    encoded, _ = memo.ask("encode", [tensor], (), Cost(), lambda _, part: part + 1)
    decoded, _ = memo.ask("decode", [tensor], (), Cost(), lambda _, part: part - 1)

    assert torch.equal(encoded, tensor + 1)
    assert torch.equal(decoded, tensor - 1)


def test_arguments_and_every_tensor_belong_to_the_question(memo):
    one, other = torch.zeros(2, 3), torch.ones(2, 3)
    asked = [
        memo.ask("q", tensors, arguments, Cost(1, 1), lambda _, *parts: sum(parts))[0]
        for tensors in ([one, one], [one, other], [other, one], [one])
        for arguments in ((), (1,))
    ]

    assert len(memo.known) == len(asked)
    assert memo.paid.queries == len(asked)


def test_a_door_asks_for_encoding_and_decoding_of_equal_tensors_apart():
    model = Handmade()
    door = make_door(model)

    encoded, decoded = door.encode(door.originals), door.decode(door.originals)

    assert torch.equal(encoded, model.encode(door.originals))
    assert torch.equal(decoded, model.decode(door.originals))


def test_a_price_that_only_the_answer_tells_is_taken_from_it(memo):
    answer, cost = memo.ask(
        "walk", [torch.zeros(3, 1)], (), lambda made: Cost(1, len(made)), lambda _, part: [part] * 4
    )

    assert len(answer) == 4
    assert (cost.queries, cost.evaluations) == (1, 4)
    assert (memo.paid.queries, memo.paid.evaluations) == (1, 4)


@dataclass(frozen=True, kw_only=True)
class Counted(Defense):
    """Darkens, and counts how often it is applied."""

    name: ClassVar[str] = "counted"
    times: ClassVar[list[int]] = []

    def apply(self, images, noise):
        self.times.append(len(images))
        return images / 2


def test_images_that_many_observers_send_are_defended_once():
    Counted.times.clear()
    memo = Memo(Handmade(), 64)
    for _ in range(2):
        door = make_door(None, memo=memo, query=(Counted(),))
        door.encode(door.originals)
        door.reconstruct(door.originals, 0.5, 2)
    assert Counted.times == [5]

    door.encode(door.originals.flip(-1))
    make_door(None, memo=memo, query=(Counted(),), seed=1).encode(door.originals)
    assert Counted.times == [5, 5, 5]


def test_a_digest_tells_types_shapes_and_bytes_apart():
    zeros = torch.zeros(2, 8)
    others = [zeros.view(8, 2), zeros.int(), zeros + 1e-9]
    assert len({digest(tensor) for tensor in (zeros, *others)}) == 4
