#!/usr/bin/env bash
# A real Ceph object gateway on 127.0.0.1: one monitor, one OSD in memory, one gateway, all in one temporary
# folder. Needs root and Debian; installs the packages when they are missing.
#
#   ceph_rgw.sh            start, and print the exports that the conformance suite reads
#   ceph_rgw.sh install    install the packages that are missing, and start nothing
#   ceph_rgw.sh stop DIR   stop what runs in DIR, and remove DIR
#
# Use:  eval "$(tests/conformance/ceph_rgw.sh)"
#       pytest tests/conformance/storage
#       tests/conformance/ceph_rgw.sh stop "$DARKROOM_TEST_CEPH_DIR"
set -euo pipefail

BUCKET=darkroom
ANSWER_WITHIN_S=60
# curl signs only what it is told of: this is the sha256 of an empty body.
EMPTY_SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

say() { printf 'ceph_rgw: %s\n' "$*" >&2; }

uuid() { cat /proc/sys/kernel/random/uuid; }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

install_packages() {
    local missing=()
    for command in ceph-mon ceph-osd radosgw curl; do
        command -v "$command" >/dev/null || missing+=("$command")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2
}

# Ceph sizes itself for a data centre; these lines fit it onto one small machine.
write_config() {
    local mon_port=$1 rgw_port=$2
    cat >"$DIR/ceph.conf" <<CONF
[global]
fsid = $(uuid)
mon_host = v2:127.0.0.1:$mon_port
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = $DIR/keyring
run_dir = $DIR
crash_dir = $DIR
admin_socket = $DIR/\$name.asok
log_file = $DIR/\$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000

[mon.a]
mon_data = $DIR/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1

[osd.0]
osd_data = $DIR/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648

[client.rgw]
rgw_data = $DIR/rgw
rgw_frontends = beast endpoint=127.0.0.1:$rgw_port
rgw_thread_pool_size = 64
CONF
}

make_keys() {
    ceph-authtool "$DIR/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$DIR/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    ceph-authtool "$DIR/keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
    ceph-authtool "$DIR/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
}

start_mon() {
    local mon_port=$1
    monmaptool --create --fsid "$(ceph-conf fsid)" --addv a "[v2:127.0.0.1:$mon_port]" "$DIR/monmap"
    ceph-mon -i a --mkfs --monmap "$DIR/monmap" --keyring "$DIR/keyring"
    ceph-mon -i a --pid-file "$DIR/mon.pid"
}

start_osd() {
    local id
    id=$(uuid)
    mkdir "$DIR/osd"
    ceph osd new "$id"
    ceph auth import -i "$DIR/keyring"
    ceph-osd -i 0 --mkfs --osd-uuid "$id"
    ceph-osd -i 0 --pid-file "$DIR/osd.pid"
}

start_rgw() {
    mkdir "$DIR/rgw"
    timeout "$ANSWER_WITHIN_S" radosgw-admin user create --uid darkroom --display-name Darkroom \
        --access-key "$ACCESS_KEY" --secret-key "$SECRET_KEY"
    radosgw -n client.rgw --pid-file "$DIR/rgw.pid"
}

create_bucket() {
    local url=$1 give_up=$((SECONDS + ANSWER_WITHIN_S))
    until curl --silent --show-error --fail --max-time 10 --request PUT "$url/$BUCKET" \
        --aws-sigv4 aws:amz:us-east-1:s3 --user "$ACCESS_KEY:$SECRET_KEY" \
        --header "x-amz-content-sha256: $EMPTY_SHA256"; do
        ((SECONDS < give_up)) || return 1
        sleep 0.2
    done
}

start_all() {
    make_keys
    start_mon "$1"
    start_osd
    start_rgw
    create_bucket "http://127.0.0.1:$2"
}

give_up() {
    say "it did not start:"
    tail -n 20 "$DIR/start.log" >&2
    stop "$DIR"
}

start() {
    local mon_port rgw_port
    install_packages
    mon_port=$(free_port)
    rgw_port=$(free_port)
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/ceph_rgw.XXXXXX")
    export CEPH_CONF=$DIR/ceph.conf
    ACCESS_KEY=darkroom
    SECRET_KEY=$(uuid)
    write_config "$mon_port" "$rgw_port"
    trap give_up EXIT
    start_all "$mon_port" "$rgw_port" >"$DIR/start.log" 2>&1
    trap - EXIT
    cat <<EXPORTS
export DARKROOM_TEST_CEPH_DIR=$DIR
export DARKROOM_TEST_S3_URL=s3://$BUCKET/conformance
export DARKROOM_TEST_S3_ENDPOINT_URL=http://127.0.0.1:$rgw_port
export AWS_ACCESS_KEY_ID=$ACCESS_KEY
export AWS_SECRET_ACCESS_KEY=$SECRET_KEY
EXPORTS
}

# Ends only a process that still names this folder: the number may belong to another by now.
end_process() {
    local dir=$1 name=$2 pid
    [[ -f $dir/$name.pid ]] || return 0
    pid=$(<"$dir/$name.pid")
    for signal in TERM KILL; do
        for ((i = 0; i < 50; i++)); do
            grep -qsF "$dir/$name.pid" "/proc/$pid/cmdline" || return 0
            ((i)) || kill -s "$signal" "$pid"
            sleep 0.1
        done
    done
}

stop() {
    local dir=$1
    [[ -f $dir/ceph.conf ]] || { say "$dir holds no Ceph that this script started"; return 1; }
    for name in rgw osd mon; do
        end_process "$dir" "$name"
    done
    rm -rf "$dir"
}

case ${1:-start} in
    start) start ;;
    install) install_packages ;;
    stop) stop "${2:?which folder? see DARKROOM_TEST_CEPH_DIR}" ;;
    *) say "start, install, or stop DIR"; exit 2 ;;
esac
