"""Real LangChain chains on LangChain's own fake models, and tools and a retriever for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnablePassthrough
from langchain_core.tools import tool

from guardsdk.integrations.langchain import AsyncGuardCallbackHandler, GuardCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

Handler = GuardCallbackHandler | AsyncGuardCallbackHandler
HANDLERS = [GuardCallbackHandler, AsyncGuardCallbackHandler]
with_either = pytest.mark.parametrize("handler_type", HANDLERS)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SYSTEM = "Be kind."


class CountingModel(GenericFakeChatModel):
    """LangChain's fake chat model, whole or word by word, that counts its calls."""

    called: list[int] = []  # noqa: RUF012  pydantic copies it

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.called.append(len(messages))
        return super()._generate(messages, *args, **kwargs)


class PlainModel(FakeListChatModel):
    """LangChain's other fake chat model, which streams in async natively and counts nothing."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from super()._stream(*args, **kwargs)


class Shelf(BaseRetriever):
    pages: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        del query, run_manager
        return [Document(page_content=page) for page in self.pages]


@tool
def look_up(term: str) -> str:
    """Look a term up."""
    return f"found {term}"


@tool
async def alook_up(term: str) -> str:
    """Look a term up."""
    return f"found {term}"


@tool
def broken(term: str) -> str:
    """Fail."""
    raise LookupError(term)


def model_of(*answers: str | AIMessage) -> CountingModel:
    return CountingModel(messages=iter(answers), called=[])


def chain_of(model: CountingModel | PlainModel) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("human", "{question}")])
    return prompt | model | StrOutputParser()


def config_of(handler: Handler) -> RunnableConfig:
    return {"callbacks": [handler]}


def remembered(handler: Handler) -> int:
    return len(handler._runs)


def joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def rag_of(model: CountingModel, *pages: str) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_template("Pages: {pages}\nQuestion: {question}")
    inputs: dict[str, Any] = {"pages": Shelf(pages=list(pages)) | joined, "question": RunnablePassthrough()}
    return inputs | prompt | model | StrOutputParser()
