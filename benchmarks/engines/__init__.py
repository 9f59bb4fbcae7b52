"""Other engines on the same equations: each module has `solve`; a missing package skips it.

`python -m engines NAME JOB RESULT` runs one in whatever interpreter has its package, so that none is a
dependency of ours; these modules import nothing else of this project.
"""
