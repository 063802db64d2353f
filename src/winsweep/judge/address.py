"""Where an endpoint is and how it is told who asks: OpenAI's form, and Azure's two. Pure."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from winsweep import paths
from winsweep.errors import BadStudy

OWN = "https://api.openai.com/"
AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")  # ends of Azure's hosts
# who pays, where a key belongs to several
ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
AZURE_FORMS = (
    "legal for Azure are https://NAME.openai.azure.com/openai/v1 and "
    "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=VERSION"
)


@dataclass(frozen=True)
class Address:
    """`url` ends with a slash; `query` stands behind every path, with its question mark; `headers` say who asks."""

    url: str
    query: str
    headers: Mapping[str, str]


def read(env: Mapping[str, str]) -> Address:
    """The endpoint that OPENAI_BASE_URL, OPENAI_API_KEY and, for Azure, OPENAI_API_TYPE and OPENAI_API_VERSION name.

    BadStudy without a key, for what is no address, and for an address of Azure's without a version where one is needed.
    An address of Azure's is known by its host, or by OPENAI_API_TYPE=azure; its key goes into the header api-key,
    with azure_ad a token into Authorization.
    """
    key, url = env.get("OPENAI_API_KEY", "").strip(), env.get("OPENAI_BASE_URL") or f"{OWN}v1"
    if not key:
        legal = "legal is your key, or any word where a local endpoint wants none"
        raise BadStudy(f"OPENAI_API_KEY: not set; {legal}; type: export OPENAI_API_KEY=…")
    _refuse(url)
    parts, kind = urllib.parse.urlsplit(url), env.get("OPENAI_API_TYPE", "").strip().lower()
    is_azure = kind.startswith("azure") or (parts.hostname or "").endswith(AZURE)
    path, query = parts.path.rstrip("/").removesuffix("/chat/completions"), parts.query
    if is_azure:
        path, query = _of_azure(path, query, env.get("OPENAI_API_VERSION", "").strip())
    by_token = not is_azure or kind in ("azure_ad", "azuread")
    who = {"Authorization": f"Bearer {key}"} if by_token else {"api-key": key}
    account = {name: env[v].strip() for name, v in ACCOUNT.items() if env.get(v, "").strip()}
    for name, value in [("OPENAI_API_KEY", key), *((ACCOUNT[name], value) for name, value in account.items())]:
        if not value.isascii() or not value.isprintable():
            raise BadStudy(
                f"{name}: holds a line break or another character that no header may have; legal is one line of ASCII; "
                f"set it again"
            )
    clean = urllib.parse.urlunsplit((parts.scheme, parts.netloc, f"{path}/", "", ""))
    return Address(clean, f"?{query}" if query else "", who | account)


def _of_azure(path: str, query: str, version: str) -> tuple[str, str]:
    """Path and query of Azure's: a deployment's needs a version, /openai/v1 does not; the host alone is that."""
    path = path or "/openai/v1"
    has_version = "api-version" in urllib.parse.parse_qs(query)
    if version and not has_version and "/deployments/" in path:
        query, has_version = "&".join(filter(None, [query, f"api-version={urllib.parse.quote(version)}"])), True
    if "/deployments/" in path and not has_version:
        raise BadStudy(
            f"OPENAI_BASE_URL: found a deployment of Azure's without a version; {AZURE_FORMS}; add "
            "?api-version=VERSION to it, or type: export OPENAI_API_VERSION=VERSION"
        )
    if "/deployments/" not in path and not path.endswith("/openai/v1"):
        raise BadStudy(f"OPENAI_BASE_URL: found the path {path!r} at Azure; {AZURE_FORMS}; correct it")
    return path, query


def _refuse(url: str) -> None:
    """BadStudy for what is no address, or has a user and a password in it, which would be shown with it."""
    try:
        parts = urllib.parse.urlsplit(url)
        found = f"scheme {parts.scheme!r}, host {parts.hostname!r}" + (" and a user" if "@" in parts.netloc else "")
        fine = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.hostname.encode("idna")  # a ValueError for a name with two dots in a row, say
            and parts.port != 0
            and "@" not in parts.netloc
            and not paths.REFUSED.search(url)
        )
    except ValueError as error:
        found, fine = type(error).__name__, False
    if not fine:
        raise BadStudy(
            f"OPENAI_BASE_URL: found {found}; legal is https://HOST/v1 or http://HOST:PORT/v1, without a user; "
            "what proves who asks is OPENAI_API_KEY"
        )
    if keys := {"api-key", "key", "api_key", "code", "token"} & urllib.parse.parse_qs(parts.query).keys():
        raise BadStudy(
            f"OPENAI_BASE_URL: found {min(keys)}= in it; legal is an address without a key, as logs show it; "
            f"put the key into OPENAI_API_KEY"
        )
