"""What a study needs from elsewhere, fetched from servers on the loopback, and what is said of what is not there."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.servers import COMMIT, Server, repository, serving
from tests.core.test_study import STUDY, keys
from winsweep import layout, prefetch
from winsweep.errors import BadData, BadStudy
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import HubData, HubModel, LocalFile
from winsweep.study.web_file import UrlFile
from winsweep.study.study import read_study
from winsweep.tasks.chess import DATA as chess
from winsweep.tasks.lima import DATA as lima
from winsweep.tasks.recipes import DATA as recipes
from winsweep.text import hub
from winsweep.workspace import open_workspace

ROOT = Path(__file__).resolve().parents[2]
FOOD = b"Title,Cleaned_Ingredients\nSoup,[]\n"
ROWS = b'{"instruction": "a", "output": "b"}\n' * 9000
SHA = hashlib.sha256(ROWS).hexdigest()
MODEL = {
    "config.json": b"{}",
    "tokenizer.json": b"{} ",
    "model.safetensors.index.json": json.dumps(
        {"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}
    ).encode(),
    "model-00001-of-00002.safetensors": b"x" * 200_000,
    "model-00002-of-00002.safetensors": b"y",
}
OTHER_FORMATS = {
    "pytorch_model.bin": b"z",
    "consolidated.safetensors": b"z",
    "original/params.json": b"z",
    "README.md": b"z",
    "run.py": b"z",
}


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web():
    with serving(Server({"/rows.jsonl": ROWS, "/cut.jsonl": ROWS}, cut=("/cut.jsonl",))) as server:
        yield server


def study(folder: Path, ins: str, also: str = "") -> Path:
    """STUDY with a toy model and another source for its arm ins."""
    text = STUDY.replace("ins: {from: toy}", f"ins: {ins}").replace(
        '{hf_id: some/model, revision: "12ab", ', "{pretrain: {seed: 1}, "
    )
    (folder / "study.yaml").write_text(text + also)
    return folder / "study.yaml"


def read(path: Path, lenient: bool = False):
    return read_study(path, lambda p: LocalFile(fingerprint(p)), lenient)


def command(name: str, path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / f"launch/{name}.py"), str(path), "--store", str(path.parent / "runs"), *words],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1"} | env,
    )


def sweep(path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return command("sweep", path, *words, **env)


def test_a_file_of_the_web_has_the_key_of_its_local_copy(tmp_path, web):
    (tmp_path / "mine.jsonl").write_bytes(ROWS)
    local = keys(read(study(tmp_path, "{path: mine.jsonl}")))
    path = study(tmp_path, f"{{path: {{url: '{web.url}/rows.jsonl?download=1#x', sha256: {SHA}}}}}")
    assert keys(read(path, lenient=True)) == local and not web.asked
    with pytest.raises(
        BadStudy,
        match=r"study\.yaml:8: tasks\.ins\.path: http.* is not fetched yet; type: python launch/sweep\.py .* --pre",
    ):
        read(path)
    assert prefetch.download(next(iter(read(path, lenient=True).urls.values()))) == len(ROWS)
    found = read(path)
    assert (
        keys(found) == local
        and found.files[SHA] == tmp_path / "cache" / "files" / f"{SHA}.jsonl"
        and found.files[SHA].read_bytes() == ROWS
    )


def test_a_file_of_the_web_is_legal_wherever_a_path_is(tmp_path):
    def at(n: int) -> str:
        return f"{{url: 'https://example.org/{n}.json', sha256: {str(n) * 64}}}".replace(
            "sha256: ", "sha256: a"
        ).replace(f"{n}}}", "}")

    text = f"""
choose: {{grid: {{epochs: [5, 7]}}, instructions: {{path: {at(1)}}}, reference: {{outputs: {at(2)}}}}}"""
    path = study(tmp_path, f"{{path: {at(3)}}}", text)
    said = (
        path.read_text()
        .replace("instructions: {from: toy}", f"instructions: {{path: {at(4)}}}")
        .replace("{pretrain: {seed: 1}, ", (f"{{pretrain: {{seed: 1}}, tokenizer: {at(5)}, "))
    )
    path.write_text(said.replace("reference: {task: ins}}", f"reference: {{outputs: {at(6)}}}, difficulty: {at(7)}}}"))
    assert {f.url for f in read(path, lenient=True).urls.values()} == {
        f"https://example.org/{n}.json" for n in range(1, 8)
    }


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (f"{{url: https://x.org/a, sha256: {SHA}, size: 3}}", r"path\.size: unknown key 'size'; legal: url, sha256"),
        ("{url: https://x.org/a}", r"ins\.path: sha256 is missing"),
        (
            f"{{url: file:///etc/passwd, sha256: {SHA}}}",
            r"path\.url: found 'file:///etc/passwd'; http://… and https://… are legal",
        ),
        (f"{{url: ../a.json, sha256: {SHA}}}", r"path\.url: found '\.\./a\.json'"),
        (f"{{url: https://x.org/a, sha256: {SHA[:-1]}}}", r"path\.sha256: found '.*'; 64 digits"),
        ("{url: https://x.org/a, sha256: ../../../../tmp/a}", r"path\.sha256: found"),
    ],
)
def test_what_is_refused(tmp_path, given, match):
    with pytest.raises(BadStudy, match=match):
        read(study(tmp_path, f"{{path: {given}}}"), lenient=True)


def test_a_models_directory_has_no_url(tmp_path):
    path = study(tmp_path, "{from: toy}")
    path.write_text(
        path.read_text().replace("a: {pretrain: {seed: 0}}", f"a: {{path: {{url: https://x.org/a, sha256: {SHA}}}}}")
    )
    with pytest.raises(BadStudy, match=r"models\.a\.path: found a mapping; text is legal here"):
        read(path, lenient=True)


def test_what_a_reader_does_not_read_is_refused(tmp_path):
    with pytest.raises(
        BadStudy, match=r"tasks\.ins\.from: the reader alpaca_eval has no examples; legal here: alpaca, chess, gsm, "
    ):
        read(study(tmp_path, "{from: alpaca_eval}"))
    path = study(tmp_path, "{from: toy}")
    path.write_text(path.read_text().replace("instructions: {from: toy}", "instructions: {from: lima}"))
    with pytest.raises(BadStudy, match=r"the reader lima has no instructions; legal here: alpaca_eval, jsonl, toy"):
        read(path)


def test_every_missing_file_is_named_and_a_dry_run_goes_on(tmp_path):
    path = study(tmp_path, "{path: gone.jsonl}")
    path.write_text(path.read_text().replace("sum: {from: toy, kinds: [sum]", "sum: {path: other.jsonl"))
    with pytest.raises(
        BadStudy,
        match=r"(?s)study\.yaml:8: tasks\.ins\.path: no file at .*gone\.jsonl; .*\n.*:9: .* no file at .*other\.jsonl",
    ):
        read(path)
    seen = open_workspace(path, tmp_path / "runs", lenient=True)
    assert len({i.artifact.key for i in seen.plan(seen.facts()) if i.artifact.stage == "prepare"}) == 3
    lines = prefetch.not_there(seen).splitlines()
    assert lines[0] == "not there yet:" and len(lines) == 3 and "gone.jsonl" in lines[1] and "other.jsonl" in lines[2]
    assert sweep(path).returncode == 2
    dry, status = sweep(path, "--dry-run"), command("status", path)
    for told in (dry, status):
        assert told.returncode == 0 and "\n    ".join(line.strip() for line in lines) in told.stdout, told.stderr
    assert "finetune" in dry.stdout and "0 of 12 cells done" in status.stdout


@pytest.mark.slow
def test_a_run_fetches_files_of_the_web_by_itself_and_a_dry_run_does_not(tmp_path, web):
    path = study(tmp_path, f"{{path: {{url: '{web.url}/rows.jsonl', sha256: {SHA}}}}}")
    file = UrlFile(f"{web.url}/rows.jsonl", SHA)
    assert sweep(path, "--dry-run").returncode == 0 and not file.path.exists()
    done = sweep(path, "--emit", str(tmp_path / "out"))  # refused on this machine, but after the study was read
    assert (
        f"fetched        {file.url}" in done.stdout and file.path.read_bytes() == ROWS and "kind local" in done.stderr
    )
    assert "fetched" not in sweep(path, "--emit", str(tmp_path / "out")).stdout
    gone = study(tmp_path, f"{{path: {{url: '{web.url}/none.jsonl', sha256: {SHA[::-1]}}}}}")
    refused = sweep(gone, "--emit", str(tmp_path / "out"))
    assert refused.returncode == 2 and "none.jsonl: cannot be fetched (HTTPError" in refused.stderr


def test_a_damaged_copy_is_fetched_again(tmp_path, web):
    path = study(tmp_path, f"{{path: {{url: '{web.url}/rows.jsonl', sha256: {SHA}}}}}")
    file = UrlFile(f"{web.url}/rows.jsonl", SHA)
    prefetch.download(file)
    file.path.write_bytes(ROWS[:-1])
    with pytest.raises(BadStudy, match="is not fetched yet"):
        read(path)
    assert prefetch.download(file) == len(ROWS) and read(path).files[SHA].read_bytes() == ROWS


@pytest.mark.parametrize(
    ("name", "sha", "match"),
    [
        (
            "rows.jsonl",
            "0" * 64,
            f"found content with sha256 {SHA}; legal is that of the study, {'0' * 64}; nothing is kept",
        ),
        ("cut.jsonl", SHA, f"cut off after {len(ROWS) // 2} of {len(ROWS)} bytes; nothing is kept; try again"),
        ("none.jsonl", SHA, r"cannot be fetched \(HTTPError: HTTP Error 404: Not Found\)"),
    ],
)
def test_what_is_not_the_file_is_not_kept(tmp_path, web, name, sha, match):
    with pytest.raises(BadData, match=match):
        prefetch.download(UrlFile(f"{web.url}/{name}", sha))
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_server_that_is_gone_is_named(tmp_path, web):
    with pytest.raises(BadData, match=r"http://127\.0\.0\.1:9/x: cannot be fetched \(URLError: "):
        prefetch.download(UrlFile("http://127.0.0.1:9/x", SHA))


@pytest.mark.slow
def test_a_study_is_fetched_once_and_then_found_without_a_network(tmp_path):
    """A model without its other formats, one in the old format, a file and a pattern of data sets, and a file of the
    web.
    """
    old = {"config.json": b"{}", "tokenizer.model": b"t", "pytorch_model.bin": b"w" * 300}
    toy = {
        p.name: p.read_bytes()
        for p in sorted(layout.SHIPPED.glob("*/*"))
        if p.parent == sorted(layout.SHIPPED.iterdir())[0]
    }
    files = {
        "/rows.jsonl": ROWS,
        **repository("models", "some/model", "12ab", MODEL | OTHER_FORMATS),
        **repository("models", "some/old", "main", old),
        **repository("models", "some/toy", COMMIT, toy),
        **repository("datasets", recipes.hf_id, recipes.revision, {recipes.file: FOOD}),
        **repository("datasets", chess.hf_id, chess.revision, {"data/a.txt": b"1. e4\n", "big.bin": b"b" * 400_000}),
    }
    with serving(Server(files)) as server:
        path = study(tmp_path, f"{{path: {{url: '{server.url}/rows.jsonl', sha256: {SHA}}}}}")
        models = [
            f"{n[0]}: {{hf_id: some/{n}, revision: {r}}}"
            for n, r in (("model", "12ab"), ("old", "main"), ("toy", COMMIT))
        ]
        path.write_text(
            path.read_text()
            .replace("  b: {", "\n".join(f"  {m}" for m in models) + "\n  b: {")
            .replace("  sum: {", "  chess: {from: chess}\n  food: {from: recipes}\n  sum: {")
        )
        before = sweep(path, "--dry-run", HF_ENDPOINT=server.url)
        assert before.returncode == 0 and before.stdout.count("not in ") == 5 and not server.asked
        done = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, done.stderr
    said = dict(line.removeprefix("fetched").strip().split("  ") for line in done.stdout.splitlines()[:-1])
    assert said == {
        f"{server.url}/rows.jsonl": "(0.3 MB)",
        "model some/model at 12ab": "(0.2 MB)",
        "model some/old at main": "(303 bytes)",
        f"model some/toy at {COMMIT[:12]}": f"({sum(map(len, toy.values())) / 1e6:.1f} MB)",
        f"data set {recipes.hf_id} at {recipes.revision}, {recipes.file}": f"({len(FOOD)} bytes)",
        f"data set {chess.hf_id} at {chess.revision}, {chess.file}": "(6 bytes)",
    }
    assert f"HF_HUB_CACHE={tmp_path}/hf/hub" in done.stdout.splitlines()[-1]
    asked = {
        line.rpartition("/")[2] for line in server.asked if line.startswith("GET") and "/some/model/resolve/" in line
    }
    assert asked == MODEL.keys() and not any("big.bin" in line for line in server.asked)
    assert "not there yet" not in sweep(path, "--dry-run").stdout
    for offline in ("0", "1"):
        again = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE=offline)
        assert again.returncode == 0 and again.stdout.count("there already") == 6 and "fetched " not in again.stdout, (
            again.stderr
        )
    reads = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
from transformers import AutoModelForCausalLM
from winsweep.text import model, source
tokenizer = model.load_tokenizer("some/toy", {COMMIT!r})
assert AutoModelForCausalLM.from_pretrained("some/toy", revision={COMMIT!r}).config.vocab_size >= len(tokenizer)
assert list(source.hub_rows({chess.hf_id!r}, {chess.file!r}, {chess.revision!r})) == [{{"text": "1. e4"}}]
assert list(source.hub_rows({recipes.hf_id!r}, {recipes.file!r}, {recipes.revision!r})) == [{{"Title": "Soup", "Cleaned_Ingredients": "[]"}}]
"""
    subprocess.run([sys.executable, "-c", reads], check=True, timeout=300, env=os.environ | {"HF_HUB_OFFLINE": "1"})


def test_what_cannot_be_had_is_said_and_the_rest_is_fetched(tmp_path):
    half = {k: v for k, v in MODEL.items() if "00002-of" not in k}
    files = {"/rows.jsonl": ROWS, **repository("models", "some/model", "12ab", half)}
    with serving(Server(files, gated=("/datasets/GAIR/lima",))) as server:
        path = study(tmp_path, "{from: lima}")
        more = f"  web: {{path: {{url: '{server.url}/rows.jsonl', sha256: {SHA}}}}}\n  gone: {{path: gone.jsonl}}\n"
        text = path.read_text().replace("  b: {", "  m: {hf_id: some/model, revision: 12ab}\n  b: {")
        path.write_text(text.replace("  sum: {", f"{more}  sum: {{"))
        done = sweep(path, "--prefetch", HF_ENDPOINT=server.url, HF_HUB_OFFLINE="0")
    assert done.returncode == 1 and "fetched        http" in done.stdout
    assert f"GAIR/lima at {lima.revision[:12]}: cannot be loaded (GatedRepoError" in done.stderr
    assert "accept its terms at https://huggingface.co/datasets/GAIR/lima and type `hf auth login`" in done.stderr
    assert (
        "error: model some/model at 12ab: the hub has no such files; legal are config.json, a tokenizer and"
        in done.stderr
    )
    assert "no url is known:" in done.stdout and "no file at " in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "env",
    [{}, {"HF_HOME": "~/h"}, {"HF_HUB_CACHE": "$HOME/c"}, {"HUGGINGFACE_HUB_CACHE": "/d"}, {"XDG_CACHE_HOME": "/e"}],
)
def test_the_hubs_cache_is_where_its_library_says(env):
    code = (
        "import sys; sys.path.insert(0, 'src'); from winsweep.text import hub; from pathlib import Path; here = "
        "hub.cache(); "
        "assert 'huggingface_hub' not in sys.modules; from huggingface_hub import constants; assert here == "
        "Path(constants.HF_HUB_CACHE)"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE", "XDG"))}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean | env, check=True, timeout=60)


def test_half_a_model_is_not_there(tmp_path):
    kept = tmp_path / "hf/hub/models--some--model"
    (kept / "snapshots" / COMMIT).mkdir(parents=True)
    for name, content in MODEL.items():
        assert not hub.is_there(HubModel("some/model", COMMIT))
        (kept / "snapshots" / COMMIT / name).write_bytes(content)
    assert hub.is_there(HubModel("some/model", COMMIT)) and not hub.is_there(HubModel("some/model", "main"))
    assert not hub.is_there(HubData("some/model", "config.json", COMMIT))
