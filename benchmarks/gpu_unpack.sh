# Sourced on the GPU machine in the project's root: source benchmarks/gpu_unpack.sh core [more]
# Joins the pieces that came over, checks and unpacks them into $SITE, and sets PYTHONPATH;
# packages there come before the machine's own.
SITE=${SITE:-/tmp/simtailor-site}
mkdir -p "$SITE"
for group in "$@"; do
    sum=$(cat .whl/part*/"$group.sha256" 2>/dev/null | head -n 1)
    if [ -z "$sum" ] || [ "$(cat .whl/part*/"$group".piece.* | sha256sum)" != "$sum" ]; then
        echo "$group: a piece is missing or damaged; here: $(ls .whl/part*/"$group".piece.* 2>&1)" >&2
        return 1
    fi
    # Python reads xz, too, where the machine has no program for it.
    cat .whl/part*/"$group".piece.* | python3 -c 'import sys, tarfile
safe = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}  # not in early releases
tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1], **safe)' "$SITE" || return 1
done
export PYTHONPATH=$PWD/lib:$SITE${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 GIT_PYTHON_REFRESH=quiet
