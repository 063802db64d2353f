"""What other trainers and clusters call what a file of winsweep says: their name, ours, and where it stands; or why
there is none. Pure.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple


class Ours(NamedTuple):
    """A key of ours, the sections in which it is legal (as a person types them, the usual one first), and what to know
    of it.
    """

    name: str
    home: str
    note: str = ""


STEP = (
    "examples of an optimizer step, over all ranks and accumulation; how much fits at once is micro_tokens of a "
    "cluster file"
)
GREEDY = "decoding is greedy, so that an answer can be repeated"
WHOLE = "weights are in 16 or 32 bits, or in 4 under adapters; recipe: {lora: {quantize: nf4}} trains few of them"
SECRET = "secrets stand in the environment only, as OPENAI_API_KEY and HF_TOKEN"
WHERE = "--store DIR says where results go"
SILENT = "nothing is reported to a service; status.py and logs.py show a run"

# Each line: a key of ours (or a reason why there is none), then what others call it.
KEYS: tuple[tuple[Ours | str, str], ...] = (
    (Ours("lr", "recipe"), "learning_rate lr_rate peak_lr max_lr base_lr"),
    (Ours("epochs", "recipe"), "num_train_epochs num_epochs n_epochs epoch train_epochs max_epochs"),
    (
        Ours("global_batch", "recipe", STEP),
        (
            "batch_size train_batch_size global_batch_size effective_batch_size per_device_train_batch_size "
            "per_gpu_train_batch_size per_device_batch_size micro_batch_size micro_batch gradient_accumulation_steps "
            "grad_accum accumulation_steps"
        ),
    ),
    (
        Ours("batch", "decoding", "rows that are written at once"),
        "batch_size per_device_eval_batch_size eval_batch_size generation_batch_size slots",
    ),
    (
        Ours("max_tokens", "recipe", "longer examples lose their end"),
        (
            "max_length max_seq_length max_seq_len seq_len seq_length sequence_length "
            "cutoff_len model_max_length block_size context_length max_len"
        ),
    ),
    (
        Ours("max_new_tokens", "decoding", "of an answer"),
        "max_tokens max_length max_gen_len max_output_tokens max_completion_tokens max_new_token",
    ),
    (Ours("schedule", "recipe"), "lr_scheduler_type lr_scheduler scheduler lr_schedule scheduler_type"),
    (
        Ours("warmup_ratio", "recipe", "a share of the run"),
        "warmup_steps warmup num_warmup_steps warmup_fraction warmup_epochs",
    ),
    (Ours("clip_norm", "recipe"), "max_grad_norm gradient_clipping grad_clip clip gradient_clip_val clip_grad_norm"),
    (Ours("weight_decay", "recipe"), "wd decay"),
    (Ours("beta1", "recipe"), "adam_beta1 betas"),
    (Ours("beta2", "recipe"), "adam_beta2"),
    (Ours("eps", "recipe"), "adam_epsilon epsilon adam_eps"),
    (Ours("loss", "recipe"), "loss_fn loss_type loss_reduction"),
    (Ours("order", "recipe"), "shuffle shuffle_mode sampler"),
    (Ours("accumulate", "recipe"), "accumulation accumulate_grad_batches"),
    (Ours("schedule_ticks", "recipe"), ""),
    (Ours("short_step", "recipe"), "drop_last dataloader_drop_last"),
    (Ours("long_examples", "recipe"), "truncation truncate"),
    (Ours("preset", "recipe"), "recipe_name"),
    (
        Ours("eval", "recipe", "a mapping: {data: TASK, every: STEPS}"),
        "eval_steps eval_dataset eval_strategy evaluation_strategy do_eval val_set val_data validation_data evaluation",
    ),
    (Ours("precision", "recipe", "bf16 or fp32"), "bf16 fp16 fp32 dtype torch_dtype mixed_precision half tf32"),
    (Ours("tensor_parallel", "decoding", "under engine: vllm"), "tensor_parallel_size tp tp_size"),
    (Ours("precision", "decoding", "bf16 or fp32"), "bf16 fp16 fp32 dtype torch_dtype mixed_precision half tf32"),
    (Ours("engine", "decoding", "slots or vllm"), "vllm backend use_vllm inference_engine"),
    (
        Ours("stop", "decoding", "a list of texts that end an answer"),
        "stop_strings stop_sequences stop_words stop_token stop_tokens eos",
    ),
    (Ours("seeds", "the study", "a list: seeds: [1]"), "seed random_seed data_seed training_seed num_seeds"),
    (
        Ours("hf_id", "models: {NAME: …}", "with revision:"),
        (
            "model_name model_name_or_path model_id repo repo_id hub_id hf_repo hf_name name_or_path hf hub "
            "base_model pretrained_model_name_or_path model"
        ),
    ),
    (
        Ours("models", "the study", "models: {NAME: {hf_id: …, revision: …}}, or path: DIR"),
        "model_name model_name_or_path model model_id base_model base_models model_path hf_id",
    ),
    (
        Ours("from", "models: {NAME: …}", "a cell of this study: MODEL.ARM"),
        "start start_from init_from initialize_from checkpoint resume_from parent adapter_path",
    ),
    (Ours("system", "tasks: {NAME: …} or instructions"), "system_prompt system_message sys_prompt persona"),
    (Ours("revision", "models: {NAME: …}"), "commit branch rev sha model_revision"),
    (
        Ours("path", "models: {NAME: …} or tasks: {NAME: …}"),
        "file filename data_file data_files train_file dataset_path data_path model_path local_path dir url",
    ),
    (Ours("from", "tasks: {NAME: …}", "a file of tasks/"), "dataset dataset_name reader source task"),
    (
        Ours("tasks", "the study", "tasks: {NAME: {path: FILE.jsonl}}"),
        "task dataset datasets dataset_name data train_file train_data train_dataset data_path path",
    ),
    (
        Ours("first", "tasks: {NAME: …}", "how many rows to take"),
        "limit max_samples num_samples max_train_samples num_rows n_rows max_rows num_examples",
    ),
    (
        Ours("num_examples", "tasks: {NAME: …}", "how many examples to make"),
        "limit max_samples num_samples max_train_samples num_rows n_rows max_rows first",
    ),
    (
        Ours("empty_instructions", "tasks: {NAME: …}", "response tuning"),
        "response_only response_tuning responses_only train_on_responses",
    ),
    (
        Ours("instructions", "the study", "what the models are asked"),
        "prompts questions eval_set test_set eval_dataset eval_data test_data eval_file evaluation",
    ),
    (
        Ours("frame", "the study", "the tags around an instruction: {user: …, assistant: …} or {template: chat}"),
        "prompt prompt_template template chat_template system_prompt prompt_format",
    ),
    (
        Ours("compare", "the study", "compare: {judge: NAME, reference: {task: NAME}}"),
        "judge annotator annotators_config evaluator reference baseline metric metrics reference_outputs",
    ),
    (Ours("judge", "compare"), "annotator annotators_config evaluator judge_model model"),
    (Ours("reference", "compare", "{task: NAME} or {outputs: FILE}"), "baseline reference_outputs against"),
    (Ours("name", "the study"), "run_name experiment exp_name experiment_name study study_name title"),
    (Ours("decoding", "the study"), "generation generation_config sampling sampling_params decode generate"),
    (
        Ours("recipe", "the study"),
        "training train training_args training_arguments hyperparameters hparams optimizer_config",
    ),
    (Ours("grid", "the study", "lists of recipe values"), "sweep search hyperparameter_search search_space"),
    (Ours("adapters", "the study"), "adapter rules rule_adapter"),
    (Ours("dollars", "the limits of a judge"), "budget max_cost cost max_dollars cost_limit limit_dollars"),
    (
        Ours("limits", "judge: {from: NAME, …}", "limits: {dollars: 20}"),
        "budget max_cost cost rate_limit dollars requests_per_minute in_flight",
    ),
    (Ours("in_flight", "the limits of a judge"), "concurrency max_concurrency num_procs workers num_workers parallel"),
    (Ours("requests_per_minute", "the limits of a judge"), "rpm rate_limit"),
    (Ours("tokens_per_minute", "the limits of a judge"), "tpm"),
    (Ours("time_min", "a cluster file", "minutes"), "time time_limit walltime timeout_min timeout slurm_time"),
    (Ours("mem_gb", "a cluster file"), "mem memory mem_per_node ram slurm_mem"),
    (Ours("gpus_per_rank", "a cluster file"), "gpus num_gpus n_gpus gpus_per_node gpus_per_task"),
    (Ours("gpu_type", "a cluster file", "with gpus_by: gres"), "gres gpu"),
    (Ours("setup", "a cluster file", "shell lines"), "modules module load prologue pre_commands"),
    (
        Ours("ranks", "a cluster file", "processes that train together"),
        "ntasks ntasks_per_node tasks_per_node num_processes nproc_per_node world_size",
    ),
    (Ours("nodes", "a cluster file"), "num_nodes nnodes n_nodes"),
    (Ours("threads", "a cluster file"), "cpus cpus_per_task cpu num_workers num_threads cores"),
    (Ours("partition", "a cluster file"), "queue slurm_partition"),
    (Ours("throttle", "a cluster file"), "array_parallelism slurm_array_parallelism max_parallel max_jobs"),
    (Ours("micro_tokens", "a cluster file"), "micro_batch_size tokens_per_batch"),
    (Ours("recompute", "a cluster file", "none, cheap or full"), "gradient_checkpointing activation_checkpointing"),
    (
        Ours("checkpoint_steps", "a cluster file"),
        "save_steps save_strategy checkpoint_every save_every checkpoint_interval",
    ),
    (Ours("zero", "a cluster file", "a file of ds_configs/"), "deepspeed zero_stage fsdp deepspeed_config"),
    (Ours("scratch", "a cluster file"), "tmpdir local_scratch tmp"),
    (
        GREEDY,
        "temperature top_p top_k num_beams do_sample repetition_penalty sampling_temperature beam_size n_samples min_p",
    ),
    (Ours("lora", "recipe", "a mapping: {rank: 64}"), "peft lora_config peft_config adapter_config"),
    (Ours("rank", "recipe.lora"), "lora_r lora_rank r"),
    (Ours("alpha", "recipe.lora"), "lora_alpha"),
    (Ours("dropout", "recipe.lora"), "lora_dropout"),
    (Ours("targets", "recipe.lora"), "target_modules lora_target_modules"),
    (Ours("quantize", "recipe.lora", "nf4: 4 bits"), "qlora load_in_4bit quantization quantization_config nf4"),
    (WHOLE, "load_in_8bit int8 gptq awq"),
    (
        "epochs: says how long a run is; it has that many times rows / global_batch steps",
        "max_steps num_steps steps total_steps train_steps",
    ),
    ("the optimizer is AdamW; beta1, beta2, eps and weight_decay are of the recipe", "optim optimizer optimiser"),
    (SECRET, "api_key openai_api_key hf_token token"),
    ("the endpoint is OPENAI_BASE_URL in the environment", "base_url api_base endpoint openai_base_url"),
    (Ours("finetune", "stages"), "train training"),
    (Ours("generate", "stages"), "generation sampling decoding"),
    (Ours("judge", "stages"), "eval evaluation"),
    (WHERE, "output_dir output save_dir out_dir output_path results_dir store"),
    (SILENT, "wandb report_to logging_steps wandb_project tensorboard logging"),
)


def hint(name: str, legal: Collection[str]) -> str:
    """What to type instead of the unknown key `name`, where `legal` ones are legal; "" if nothing comes near."""
    named = [ours for ours in _known(name) if isinstance(ours, Ours)]
    here = next((ours for ours in named if ours.name in legal), None)
    if here:
        return f"did you mean {here.name}?" + (f" ({here.note})" if here.note else "")
    if close := difflib.get_close_matches(name, [str(x) for x in legal], n=1, cutoff=0.85 if name in TABLE else 0.6):
        return f"did you mean {close[0]}?"
    if named:
        return _elsewhere(named[0])
    return next((f"there is none: {why}" for why in _known(name)), "")


def _elsewhere(ours: Ours) -> str:
    if ours.home == "the study":
        place = f"at the top of {ours.home}"
    else:
        place = (
            f"in {ours.home}"
            if ours.home.startswith(("a ", "the "))
            else f"under {ours.home}{':' * ours.home.isalpha()}"
        )
    return f"type {ours.name}: … {place}" + (f" ({ours.note})" if ours.note else "")


def _known(name: str) -> tuple[Ours | str, ...]:
    said = name.lower().replace("-", "_")
    return TABLE.get(said) or next(
        (TABLE[near] for near in difflib.get_close_matches(said, TABLE, n=1, cutoff=0.85)), ()
    )


def _table() -> Mapping[str, tuple[Ours | str, ...]]:
    found: dict[str, list[Ours | str]] = {}
    for ours, theirs in KEYS:
        for name in [*theirs.split(), *([ours.name] if isinstance(ours, Ours) else [])]:
            found.setdefault(name, []).append(ours)
    return {  # a key of ours that is called so stands first
        name: tuple(sorted(of, key=lambda ours, name=name: getattr(ours, "name", "") != name))  # type: ignore[misc]
        for name, of in found.items()
    }


TABLE = _table()


def closest(name: str, legal: Iterable[str]) -> str:
    """The legal name that `name` is most like, or no text."""
    return next(iter(difflib.get_close_matches(name, [str(x) for x in legal], n=1)), "")
