"""Orders: in which permutations the intermediate phases of a schedule are run. Pure."""

import math
from collections.abc import Iterator
from itertools import islice, permutations

from xlbench_specs.experiment import Schedule

Order = tuple[int, ...]


def balanced_permutations(length: int) -> Iterator[Order]:
    """All permutations of range(length), each once, so that any prefix is well balanced.

    First the rotations of the listed order, then those reversed, then the rest in
    lexicographic order.
    """
    listed = tuple(range(length))
    rotations = [listed[shift:] + listed[:shift] for shift in range(length)]
    first = dict.fromkeys([*rotations, *(rotation[::-1] for rotation in rotations)])
    yield from first
    yield from (order for order in permutations(listed) if order not in first)


def orders_for(schedule: Schedule, intermediate: list[int], seed_number: int) -> list[Order]:
    """Orders of all phases, by listed position, for the seed at a position of the list.

    `intermediate` holds the positions of the phases that are permuted; the others stay.
    """
    count = math.factorial(len(intermediate))
    every = balanced_permutations(len(intermediate))
    match schedule.orders.mode:
        case "listed":
            chosen = [tuple(range(len(intermediate)))]
        case "per-seed":
            number = seed_number % count
            chosen = list(islice(every, number, number + 1))
        case "permutations":
            chosen = list(islice(every, schedule.orders.count or count))
    return [_placed(order, intermediate, len(schedule.phases)) for order in chosen]


def _placed(order: Order, intermediate: list[int], phases: int) -> Order:
    slots = dict(zip(intermediate, (intermediate[place] for place in order), strict=True))
    return tuple(slots.get(number, number) for number in range(phases))
