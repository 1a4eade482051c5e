#!/usr/bin/env bash
# Packs what simtailor needs on a GPU machine that has PyTorch but no package index.
#   bash benchmarks/gpu_pack.sh       ROOM: MiB of a transfer with the project, 63 by default
# Run it in the project's environment, where pip has an index. It writes .whl/partN, a transfer each:
#   core  renderer, sets, pre-training, evaluation, Task2Vec, Meta-Sim on CUDA
#   more  Snakemake, FAISS, and the compiler of the renderer's kernels for the CPU
# Archives that are there are split anew only. Needs xz and readelf, and five to ten minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
room=${ROOM:-63}
architecture=${ARCHITECTURE:-90} # of the H100 and H200; "all" keeps all
platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 35 34 31 28 27 24 17 12 5)
core="annotated-types typing-inspection pydantic pydantic_core trimesh OpenEXR pydot
    materialxmaterials fast-simplification warp-lang"
more="faiss-cpu packaging
    snakemake snakemake-interface-common snakemake-interface-executor-plugins
    snakemake-interface-logger-plugins snakemake-interface-report-plugins
    snakemake-interface-scheduler-plugins snakemake-interface-storage-plugins
    snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep
    argparse-dataclass conda-inject ConfigArgParse connection_pool docutils dpath
    fastjsonschema gitdb GitPython greenlet humanfriendly immutables importlib_resources
    jsonschema jsonschema-specifications jupyter_core nbformat platformdirs PuLP referencing
    rpds-py smart_open smmap SQLAlchemy sqlmodel tenacity throttler traitlets yte"

install_wheels() {
    local group
    for group in core more; do
        # shellcheck disable=SC2086  # lists of words
        python3 -m pip install -qq --no-deps --no-compile --target ".whl/$group" \
            --python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none \
            $platforms -c constraints.txt ${!group}
    done
    # The library itself travels as source; this makes its version known.
    mkdir .whl/core/simtailor-0.1.0.dist-info
    printf 'Metadata-Version: 2.1\nName: simtailor\nVersion: 0.1.0\n' \
        >.whl/core/simtailor-0.1.0.dist-info/METADATA
}

slim() { # take out what no run on CUDA reads
    mkdir -p .whl/more/warp/bin
    mv .whl/core/warp/bin/warp-clang.so .whl/more/warp/bin/
    rm -rf .whl/core/warp/{examples,tests} .whl/{core,more}/bin .whl/more/pulp/tests
    find .whl/more/pulp/solverdir/cbc -name 'cbc*' -type f ! -path '*/linux/i64/*' -delete
    find .whl/core/materialxMaterials/data -type f ! -name PhysicallyBasedMaterial.json -delete
    if [ "$architecture" != all ]; then
        python3 benchmarks/gpu_checks/slimming.py .whl/core/warp/bin/warp.so "$architecture"
    fi
}

compress() {
    tar -C ".whl/$1" --sort=name --owner=0 --group=0 --mtime=2000-01-01 -cf - . |
        xz -T1 --x86 --lzma2=preset=9e,dict=384MiB >".whl/$1.tar.xz.new"
    mv ".whl/$1.tar.xz.new" ".whl/$1.tar.xz"
}

exclude=$(git rev-parse --git-path info/exclude)
mkdir -p "$(dirname "$exclude")"
grep -qx '/.whl/' "$exclude" 2>/dev/null || echo '/.whl/' >>"$exclude"
mkdir -p .whl
if [ ! -f .whl/core.tar.xz ] || [ ! -f .whl/more.tar.xz ]; then
    rm -rf .whl/core .whl/more
    install_wheels
    slim
    compress core
    compress more
    rm -r .whl/core .whl/more
fi
python3 benchmarks/gpu_check.py --device cpu --make-reference .whl/reference.npz

# The project's own files travel with every part.
own=$(git ls-files -zco --exclude-standard | tar --null -T - -cf - | wc -c)
own=$((own + $(wc -c <.whl/reference.npz) + 65536))
rm -rf .whl/part*
part=0
for group in core more; do
    split -b $((room * 1048576 - own)) -d -a 2 ".whl/$group.tar.xz" ".whl/$group.piece."
    for piece in .whl/"$group".piece.*; do
        part=$((part + 1))
        mkdir ".whl/part$part"
        mv "$piece" ".whl/part$part/"
        sha256sum <".whl/$group.tar.xz" >".whl/part$part/$group.sha256"
        echo ".whl/part$part: $group, $(du -m ".whl/part$part" | cut -f 1) MiB"
    done
done
mv .whl/reference.npz .whl/part1/
