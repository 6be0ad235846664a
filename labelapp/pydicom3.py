"""What pydicom_seg, which MONAI Label imports, takes from pydicom 2 and pydicom 3 no longer has."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

_MISSING = "pydicom._storage_sopclass_uids"


class _StorageClasses(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the module of SOP class UIDs from `pydicom.uid` when it is asked for, and costs nothing until then."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == _MISSING else None

    def exec_module(self, module: ModuleType) -> None:
        import pydicom.uid

        names = [name for name in dir(pydicom.uid) if name.endswith("Storage")]
        module.__dict__.update({name: getattr(pydicom.uid, name) for name in names})


def install() -> None:
    """Let pydicom_seg be imported; once is enough, and where pydicom has the module it is not touched."""
    if not any(isinstance(finder, _StorageClasses) for finder in sys.meta_path):
        sys.meta_path.append(_StorageClasses())


install()
