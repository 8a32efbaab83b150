# How a job is started, and where it leaves its error.
import os

from superficial.pipeline.job_errors import errors_file
from superficial.pipeline.snakemake_lock import release_stale_lock

ALIVE = release_stale_lock(Path(".snakemake"))  # open until this process ends

# Speed and memory only. It reaches the stages as a global, which Snakemake does not track: changing it reruns nothing.
RUNTIME = RUN.runtime
STAGE = f"{sys.executable} -m superficial"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take turns with any other busy process
# Jobs leave their one-line errors here, so that they can be repeated below Snakemake's own report.
ERRORS = errors_file(Path(".snakemake"))
