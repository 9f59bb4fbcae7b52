"""diffrax (JAX), Tsit5 over all people at once; compiling is not counted."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import jax

jax.config.update("jax_enable_x64", True)

import diffrax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from engines.job import Job  # noqa: E402

VERSION = f"diffrax {diffrax.__version__} Tsit5, JAX {jax.__version__}"
ARRAYS = {
    "exp": jnp.exp, "log": jnp.log, "tanh": jnp.tanh, "sqrt": jnp.sqrt, "where": jnp.where,
    "min": lambda *parts: functools.reduce(jnp.minimum, parts),
    "max": lambda *parts: functools.reduce(jnp.maximum, parts),
}  # fmt: skip


def prepare(job: Job) -> Callable[[float], tuple[np.ndarray, float]]:
    """Return what solves at a tolerance."""
    space = dict(ARRAYS)
    exec(compile(job.rates, "<rates>", "exec"), space)
    segments = [(begin, end, constants.copy()) for begin, end, constants in job.segments()]
    begin, end = (jnp.array([segment[side] for segment in segments]) for side in (0, 1))
    due = [np.flatnonzero((job.samples > a) & (job.samples <= b)) for a, b, _ in segments]
    most = max(map(len, due))
    saved = jnp.array(
        [np.r_[job.samples[d], np.full(most + 1 - len(d), b)] for d, (_, b, _) in zip(due, segments, strict=True)]
    )
    constants = jnp.array([segment[2] for segment in segments]).swapaxes(0, 1)  # [person, segment, constant]

    @jax.jit
    def run(initial: jax.Array, constants: jax.Array, rtol: jax.Array) -> jax.Array:
        term = diffrax.ODETerm(lambda t, y, p: jnp.stack(space["rates"](y, p)))
        controller = diffrax.PIDController(rtol=rtol, atol=1e-2 * rtol * jnp.array(job.scale))

        def segment(y: jax.Array, given: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            a, b, p, times = given
            found = diffrax.diffeqsolve(
                term, diffrax.Tsit5(), a, b, 0.05, y, p, saveat=diffrax.SaveAt(ts=times),
                stepsize_controller=controller, max_steps=None, throw=False,
            )  # fmt: skip
            return found.ys[-1], found.ys

        return jax.vmap(lambda y, p: jax.lax.scan(segment, y, (begin, end, p, saved))[1])(initial, constants)

    def solve(rtol: float) -> tuple[np.ndarray, float]:
        given = (jnp.array(job.initial), constants, jnp.array(rtol))
        if not hasattr(solve, "compiled"):
            solve.compiled = run.lower(*given).compile()  # type: ignore[attr-defined]
        began = time.process_time()
        found = np.asarray(solve.compiled(*given))  # type: ignore[attr-defined]
        spent = time.process_time() - began
        out = np.repeat(job.initial[:, None], len(job.samples), axis=1)
        for number, here in enumerate(due):
            out[:, here] = found[:, number, : len(here)]
        return out, spent

    return solve
