"""Files of the web that a study names, fetched from a server on the loopback, and what is said of those not there."""

import pytest

from tests.core.fetched import ROWS, SHA, command, read, study, sweep
from tests.core.small_study import keys
from winsweep import prefetch
from winsweep.errors import BadData, BadStudy
from winsweep.study.web_file import UrlFile
from winsweep.workspace import open_workspace

pytestmark = pytest.mark.usefixtures("caches")


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
    lines = prefetch.not_there(seen, seen.plan(seen.facts())).splitlines()
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
