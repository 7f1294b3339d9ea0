"""How long a test waits for what it expects before it calls it missing.

Only a test that fails waits so long. It is far more than anything takes, because a machine that runs many tests at
once may stand still for seconds, and how fast something comes is never what a test claims.
"""

PATIENCE_SECONDS = 60.0
