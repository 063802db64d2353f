"""Others' finetuning of the same model on the same examples: HF's Trainer and TRL's SFTTrainer."""

import argparse
import time
from pathlib import Path

from lima_like import VOCAB, make_model

RULED = dict(
    learning_rate=1e-5,
    weight_decay=0.0,
    num_train_epochs=1,
    max_grad_norm=1.0,
    seed=1,
    use_cpu=True,
    report_to=[],
    disable_tqdm=True,
    save_strategy="no",
    logging_steps=1,
    per_device_train_batch_size=8,
    gradient_accumulation_steps=8,
)


def hf(args: argparse.Namespace, examples: list, folder: Path, how: dict) -> tuple[float, float]:
    import torch
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    def pad(rows: list[dict]) -> dict:
        width = max(len(row["input_ids"]) for row in rows)

        def filled(name: str, by: int) -> torch.Tensor:
            return torch.tensor([row[name] + [by] * (width - len(row[name])) for row in rows])

        return {
            "input_ids": filled("input_ids", 0),
            "labels": filled("labels", -100),
            "attention_mask": filled("attention_mask", 0),
        }

    data = Dataset.from_list(
        [{"input_ids": e.ids, "labels": e.labels, "attention_mask": [1] * len(e.ids)} for e in examples]
    )
    ruled = TrainingArguments(**RULED, **how, output_dir=str(folder))
    return timed(Trainer(model=make_model(), args=ruled, train_dataset=data, data_collator=pad))


def trl(args: argparse.Namespace, examples: list, folder: Path, packing: bool) -> tuple[float, float]:
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCAB)}, unk_token="t3"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="t0", bos_token="t1", eos_token="t2", unk_token="t3"
    )
    data = Dataset.from_list(
        [{"input_ids": e.ids, "completion_mask": [int(label >= 0) for label in e.labels]} for e in examples]
    )
    width = int(2048 * args.scale)
    num_rows = round(sum(len(e.ids) for e in examples) / width / args.steps)
    sizes = dict(per_device_train_batch_size=1, gradient_accumulation_steps=max(1, num_rows)) if packing else {}
    ruled = SFTConfig(
        **RULED | sizes,
        output_dir=str(folder),
        max_length=width,
        packing=packing,
        completion_only_loss=True,
        bf16=False,
        gradient_checkpointing=False,
    )
    return timed(SFTTrainer(model=make_model(), args=ruled, train_dataset=data, processing_class=tokenizer))


def timed(trainer) -> tuple[float, float]:
    import transformers

    class Clock(transformers.TrainerCallback):
        def on_train_begin(self, *args, **kwargs) -> None:
            self.begun = time.process_time()

        def on_train_end(self, *args, **kwargs) -> None:
            self.seconds = time.process_time() - self.begun

    transformers.utils.logging.set_verbosity_error()
    trainer.add_callback(clock := Clock())
    trainer.train()
    return clock.seconds, next(line["loss"] for line in trainer.state.log_history if "loss" in line)
