"""A tiny chat model that answers m or M, and a real OpenAI-compatible server that runs it plainly: one prompt, one
forward pass.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import util
from pathlib import Path
from threading import Lock, Thread

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

PROMPT = (
    Path(util.find_spec("alpaca_eval").submodule_search_locations[0])
    / "evaluators_configs/alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt"
)
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPECIALS = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]


def make(folder: Path) -> Path:
    """A random Llama that has learned AlpacaEval's prompt only as a vocabulary; m and M are always its likeliest
    answers.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=SPECIALS,
        show_progress=False,
    )
    backend.train_from_iterator([PROMPT.read_text()] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=2048,
            initializer_range=0.3,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 6.0  # so that every hidden state has a first dimension that is large …
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(6)  # … and what it sees of the prompt is a few places, not a mean …
            layer.self_attn.o_proj.weight.mul_(3)
        model.lm_head.weight.mul_(0.3)
        for name in "mM":
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(name)] *= 3
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(name), 0] = 6.0  # … which speaks for both names
    model.save_pretrained(folder)
    return folder


def make_reward(folder: Path, tokenizer: Path) -> Path:
    """A random Llama that gives one number for a conversation, with the tokenizer of a tiny judge at `tokenizer`; its
    padding token is unsaid.
    """
    found = AutoTokenizer.from_pretrained(tokenizer)
    found.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(found),
        num_labels=1,
        pad_token_id=None,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


class Server:
    """Use as a context; answers chat completions of one token with the five likeliest."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer, self.model, self.lock = (
            AutoTokenizer.from_pretrained(folder),
            AutoModelForCausalLM.from_pretrained(folder),
            Lock(),
        )
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> "Server":
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def complete(self, body: dict) -> dict:
        ids = self.tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )["input_ids"]
        with self.lock, torch.no_grad():
            top = self.model(ids).logits[0, -1].log_softmax(-1).topk(body["top_logprobs"])
        tops = [
            {"token": self.tokenizer.decode([i]), "logprob": x, "bytes": None}
            for i, x in zip(top.indices.tolist(), top.values.tolist())
        ]
        choice = {
            "index": 0,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": tops[0]["token"]},
            "logprobs": {"content": [tops[0] | {"top_logprobs": tops}]},
        }
        usage = {"prompt_tokens": ids.shape[1], "completion_tokens": 1, "total_tokens": ids.shape[1] + 1}
        return {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = json.dumps(
                server.complete(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
