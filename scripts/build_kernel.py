"""While the package is built: generate the kernel of the body and compile it and other C, if there is a compiler."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOTICE = """carnallite: the body was not compiled ({why}).
Everything works, but simulations are about a hundred times slower.
Install a C compiler (on Debian and Ubuntu: apt-get install gcc libc6-dev) and install again.
"""


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, str(Path(self.root) / "src"))
        try:
            from carnallite.physiology import engine  # noqa: PLC0415  (the source is on the path only now)

            engine.make()
            for source in engine.sources():
                engine.library(source)
        except Exception as error:  # any failure to compile leaves the slow way
            sys.stderr.write(NOTICE.format(why=error))
            return
        finally:
            sys.path.pop(0)
        if version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
