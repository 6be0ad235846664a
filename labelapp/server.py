"""MONAI Label's server, mended from outside: work in threads, errors that say what to do, nothing let in by default."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelapp import pydicom3

logger = logging.getLogger("labelapp")

_ROUTERS = (
    *("info", "model", "infer", "wsi_infer", "batch_infer", "train", "activelearning", "scoring", "datastore"),
    *("logs", "session"),
)
_RESERVED = {"image", "model", "session", "session_id", "label_uploaded", "save_label", "label_tag", "description"}
_STATUS = {"UnknownStudyError": 404, "PacsError": 502, "OutputWriteError": 507}


def serve(
    studies: Path | str, *, app_dir: Path | str, host: str = "127.0.0.1", port: int = 8000, conf: Sequence[str] = ()
) -> None:
    """Start the server by MONAI Label's own command, and return when it was stopped.

    Parameters
    ----------
    studies
        Folder of studies, or the address of a DICOMweb service.
    app_dir
        Folder for what MONAI Label writes for itself, logs among it; holds afterwards a ``main.py`` that is this app.
    host, port
        Where to listen.
    conf
        Keys and values in turn, as `labelapp.configuration.configuration` reads them.

    """
    pydicom3.install()
    home = Path(app_dir)
    home.mkdir(parents=True, exist_ok=True)
    (home / "main.py").write_text("from labelapp.main import FdgLungApp  # noqa: F401\n", encoding="utf-8")
    from monailabel.main import Main

    pairs = [part for key, value in zip(conf[::2], conf[1::2], strict=True) for part in ("--conf", key, value)]
    command = Main()
    command.action_start_server(
        command.args_parser().parse_args(
            ["start_server", "--app", str(home), "--studies", str(studies), "--host", host, "--port", str(port), *pairs]
        )
    )


def mend(web: Any, application: Any) -> None:
    """Mend a FastAPI application of MONAI Label that is starting.

    Parameters
    ----------
    web
        ``monailabel.app.app``.
    application
        The `labelapp.main.FdgLungApp` that it serves.

    """
    from fastapi import APIRouter
    from monailabel.config import settings as upstream

    from labelapp.guard import Guard
    from labelapp.logs import hide_ids
    from labelapp.ohif import add_routes

    router = APIRouter()
    for name in _ROUTERS:
        module = importlib.import_module(f"monailabel.endpoints.{name}")
        for route in module.router.routes:
            router.add_api_route(
                route.path,
                _in_thread(route.endpoint),
                methods=route.methods,
                include_in_schema=False,
                status_code=route.status_code,
            )
    before = len(web.router.routes)
    web.include_router(router, prefix=upstream.MONAI_LABEL_API_STR)
    # Of two routes to one path the first one answers.
    web.router.routes[:] = web.router.routes[before:] + web.router.routes[:before]
    settings = application.configuration
    add_routes(web, settings.pacs)
    if not isinstance(web.middleware_stack, Guard):
        web.middleware_stack = Guard(
            web.middleware_stack, limit_bytes=int(settings.limit_mb * 1e6), allow_remote=settings.allow_remote
        )
    hide_ids(application.datastore().list_images, (application.studies, str(settings.labels)))


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function, which FastAPI runs in a thread, of an upstream coroutine that never waits."""

    def run(**arguments: Any) -> Any:
        from fastapi import HTTPException
        from monailabel.interfaces.exception import MONAILabelException

        from fdglung.errors import FdglungError, ParameterError
        from labelapp.annotator import signed_in

        signed_in.set(_signed_in(arguments.get("user")))
        try:
            if "model" in arguments and (arguments.get("file") is not None or arguments.get("session_id")):
                raise ParameterError(
                    "images and networks cannot be sent to the server",
                    attribute="file",
                    remedy="Put the study into the folder of studies, and ask for it by its name",
                )
            if isinstance(arguments.get("params"), str):
                arguments["params"] = _parameters(arguments)
            return asyncio.run(endpoint(**arguments))
        except HTTPException:
            raise
        except FdglungError as error:
            raise HTTPException(_STATUS.get(error.kind, 400), detail=f"{error.kind}: {error}") from error
        except MONAILabelException as error:
            raise HTTPException(400, detail=error.msg) from error
        except Exception as error:
            logger.exception("A request failed")
            raise HTTPException(500, detail=f"The server failed ({type(error).__name__}); see its log") from error

    run.__name__ = endpoint.__name__
    run.__signature__ = inspect.signature(endpoint)  # type: ignore[attr-defined]
    return run


def _signed_in(user: Any) -> str | None:
    from monailabel.config import settings

    return user.username if settings.MONAI_LABEL_AUTH_ENABLE and user is not None else None


def _parameters(arguments: dict[str, Any]) -> str:
    """Check a request's parameters, and drop those that upstream lets a client set in place of the server's own."""
    from fdglung.errors import ParameterError

    try:
        parameters = json.loads(arguments["params"] or "{}")
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        raise ParameterError("the parameters are no JSON object", attribute="params", remedy="Send a JSON object")
    if "model" in arguments:
        # Slicer names the label that is clicked with a key that is also the path of an uploaded one.
        parameters = {key: value for key, value in parameters.items() if key not in {*_RESERVED, "label"}}
        if arguments.get("label") is not None:
            parameters["label_uploaded"] = True
    return json.dumps(parameters)
