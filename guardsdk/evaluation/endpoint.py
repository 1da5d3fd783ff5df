"""An OpenAI-compatible endpoint: the only module of the package that uses the network, and only on request.

It sends the suite's own prompts to the given base URL, follows no redirect, and reads no proxy from the environment.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.record import TargetRef
from guardsdk.evaluation.targets import TargetError, in_daemon_thread, require_numbers
from guardsdk.parts.given import require_seconds, text_of, text_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.evaluation.targets import Question

_LONGEST_ANSWER: Final = 16 * 2**20
_CONNECT_S: Final = 600.0
"""Limit for a request without a timeout: a dead peer must not block a run for ever."""
_AGAIN: Final = frozenset({408, 409, 425, 429})
"""Status codes below 500 that are worth a retry."""
_OK: Final = 200
_SERVER: Final = 500


class EndpointTarget:
    """``POST <base URL>/chat/completions``, as defined by OpenAI and supported by compatible servers."""

    batch: Final = 1

    def __init__(
        self,
        base: str,
        model: str,
        *,
        key: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        """Ask ``model`` at ``base``, such as ``http://127.0.0.1:8080/v1``, with ``key`` as the bearer token.

        Raises ``EvaluationError`` if ``base`` is not such an address, or ``key`` cannot be sent; ``InputError`` or
        ``InputTypeError`` if another argument cannot be.
        """
        base, model, key = text_of(base, "base"), text_of(model, "model"), text_or_none(key, "key")
        require_numbers(max_tokens=max_tokens, temperature=temperature)
        require_seconds(timeout_s, "timeout_s")
        try:
            parts = urlsplit(base)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        more = parts.query or parts.fragment or parts.username
        if parts.scheme not in {"http", "https"} or not host or more or not _sendable(parts.path):
            msg = (
                "--target: not a base URL such as http://127.0.0.1:8080/v1, with %20 and the like for other characters"
            )
            raise EvaluationError(msg)
        if key is not None and not (key.isascii() and key.isprintable()):
            msg = "GUARDSDK_ENDPOINT_KEY: a key is one line of ASCII characters"
            raise EvaluationError(msg)
        self._host, self._port = host, port
        self._secure = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/") + "/chat/completions"
        self._key = key
        self._timeout_s = timeout_s or _CONNECT_S
        self._settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature}
        self.ref = TargetRef(kind="endpoint", model=model, parameters=dict(self._settings))
        self.origin = base.rstrip("/")

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        """See ``Target``."""
        [question] = questions
        return [await in_daemon_thread(lambda: self._ask(question))]

    def _ask(self, question: Question) -> str:
        content = {
            "model": self.ref.model,
            "messages": question.plain_turns,
            "seed": question.seed,
            **self._settings,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "guardsdk"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        connection = self._connection()
        try:
            connection.request("POST", self._path, json.dumps(content), headers)
            response = connection.getresponse()
            body = response.read(_LONGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:  # a message may contain the address
            raise TargetError(type(error).__qualname__) from None
        finally:
            connection.close()
        if response.status != _OK:
            reason = f"status {response.status}"
            again = response.status in _AGAIN or response.status >= _SERVER
            raise TargetError(reason, again=again, after_s=_seconds(response.getheader("Retry-After")))
        if len(body) > _LONGEST_ANSWER:
            reason = f"the answer is longer than {_LONGEST_ANSWER} bytes"
            raise TargetError(reason, again=False)
        return _answer(body)

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._secure)


def _sendable(path: str) -> bool:
    """Whether ``path`` is valid in a request; otherwise every request would fail with an unhelpful message."""
    return path.isascii() and "".join(path.split()) == path


def _answer(body: bytes) -> str:
    """Return the text of the first choice. A refusal in a field of its own is an answer like any other."""
    try:
        message = json.loads(body)["choices"][0]["message"]
        content, refusal, calls = message.get("content"), message.get("refusal"), message.get("tool_calls")
    except (ValueError, LookupError, TypeError, AttributeError):
        reason = "no chat completion in the answer"
        raise TargetError(reason) from None
    if isinstance(content, list):  # a list of parts, as from some servers
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    said = [text for text in (content, refusal) if isinstance(text, str)]
    # A tool call is what the model wants done, so it is part of the answer as much as text is.
    if isinstance(calls, list):
        said += [_called(call.get("function")) for call in calls if isinstance(call, dict)]
    return "\n".join(said)


def _called(function: object) -> str:
    """Return a tool call as text: its arguments are a JSON string, in which quotes and letters may be escaped."""
    if isinstance(function, dict) and isinstance(arguments := function.get("arguments"), str):
        with suppress(ValueError, RecursionError):  # text that is not JSON is kept as it is
            function = {**function, "arguments": json.loads(arguments, object_pairs_hook=_whole)}
    return json.dumps(function, ensure_ascii=False)


def _whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return fields by name. Raises ``ValueError`` for duplicates, as the first value would be lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a field twice"
        raise ValueError(msg)
    return found


def _seconds(given: str | None) -> float | None:
    """Parse ``Retry-After``: seconds or a date (RFC 9110, 10.2.3)."""
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None
