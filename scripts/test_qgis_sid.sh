#!/usr/bin/env bash
# Runs the plugin's tests in the QGIS of Debian unstable, in a folder below build/ that is kept for the next run.
# By hand, as root, on Debian: it makes mounts, in a namespace of its own that ends with the script. About 4 GB on disk.
# usage: scripts/test_qgis_sid.sh [arguments for pytest, default: tests/plugin]        delete build/sid to begin anew
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
sid=$root/build/sid
venv=/opt/mpsclip-tests

stop() {
    echo "test-qgis-sid: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || stop "only root may make the folder of another Debian. Run it with sudo."
[ -x .venv/bin/python ] || stop "the engine's environment is missing. Make it: make setup"
command -v apt-get >/dev/null || stop "this needs Debian or Ubuntu. Elsewhere run tests/plugin in a container of your own."
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; }

if [ -z "${MPSCLIP_IN_NAMESPACE:-}" ]; then
    # Mounts made below are seen by nobody else and are gone when this ends, however it ends.
    MPSCLIP_IN_NAMESPACE=1 exec unshare --mount --propagation private bash "$0" "$@"
fi

# The address of the distribution that this machine's own apt uses.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk '$2 !~ /-/ && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || stop "apt knows no distribution yet. Run apt-get update."

if [ ! -e "$sid/.bootstrapped" ]; then
    rm -rf "$sid"
    mkdir -p "$sid"
    debootstrap --variant=minbase sid "$sid" "$mirror"
    touch "$sid/.bootstrapped"
fi

# Name service and proxies are this machine's.
cp -L /etc/resolv.conf /etc/hosts "$sid/etc/"
find /etc/apt/apt.conf.d -name '*proxy*' -exec cp {} "$sid/etc/apt/apt.conf.d/" \;
mount -t proc proc "$sid/proc"
mount --rbind /dev "$sid/dev"
mount -t tmpfs tmpfs "$sid/tmp"
# Checkout and the engine's Python at their own paths: a virtual environment holds absolute ones.
base=$(.venv/bin/python -c 'import sys; print(sys.base_prefix)')
for folder in "$root" "$base"; do
    case $folder in
        /usr) stop "the engine's Python is the system's, which another Debian replaces. Make .venv with another Python." ;;
    esac
    mkdir -p "$sid$folder"
    mount --bind "$folder" "$sid$folder"
done
# QGIS's settings are another version's.
mkdir -p "$root/tests/plugin/.qgis-settings"
mount -t tmpfs tmpfs "$sid$root/tests/plugin/.qgis-settings"

inside() {
    env --unset=PYTHONPATH --unset=VIRTUAL_ENV DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$sid" "$@"
}

if [ ! -e "$sid/.installed" ]; then
    # A mirror may be a snapshot, whose signature is right but old.
    inside apt-get update -qq -o Acquire::Check-Valid-Until=false
    inside apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 \
        qgis python3-qgis qgis-providers xvfb fonts-dejavu-core fonts-open-sans git ca-certificates
    touch "$sid/.installed"
fi
# A proxy's certificate is known to this machine alone.
mount --bind /etc/ssl/certs "$sid/etc/ssl/certs"
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
uv=$root/build/installer/bin/uv
inside "$uv" venv --quiet --clear --system-site-packages --no-python-downloads --python /usr/bin/python3 "$venv"
inside "$uv" pip install --quiet --no-config --python "$venv/bin/python" --no-deps --require-hashes \
    --requirements "$root/requirements/qgis.txt"
inside git config --global --replace-all safe.directory "$root"
inside env QT_QPA_PLATFORM=offscreen "$venv/bin/python" -c 'from qgis.core import Qgis; print("QGIS", Qgis.QGIS_VERSION)'
# QGIS 3.44 may crash in exitQgis(), when all tests are done: pytest-qgis does not call it here.
inside env --chdir="$root" QT_QPA_PLATFORM=offscreen PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" -m pytest --qgis_disable_exit "${@:-tests/plugin}"
