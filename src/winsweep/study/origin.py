"""What a model comes from: finetunes that start from each other's models, down to one that was not made by a finetune
of the study.
"""

from winsweep.study.cell import Model, Training, untrained


def root_of(model: Training | Model) -> Model:
    """The model at the bottom, whose tokenizer and shape all above it have."""
    starts = starts_of(model)
    return starts[-1].model if starts else untrained(model)


def starts_of(model: Training | Model) -> tuple[Training, ...]:
    """The finetunes whose models it was made from, its own not counted, the last one first; none for most."""
    found: list[Training] = []
    while isinstance(below := untrained(model).source, Training):
        found.append(below)
        model = below
    return tuple(found)


def starts_text(model: Training | Model) -> str:
    """The labels of the cells that it starts from, the last one first; "" for most."""
    return " from ".join(tuned.name for tuned in starts_of(model))
