# What scripts/deployed does inside the Debian of its own.
set -euo pipefail
unit=carnallite base=http://127.0.0.1:8080 home=/var/lib/carnallite
ready() {
    for _ in $(seq 90); do curl -sf -m 5 "$base/readyz" && echo && return; sleep 1; done
    return 1
}
ask() { curl -s -m 180 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/fhir+json' --data-binary @/srv/case.json "$base/\$$1" | grep 200; }
shown() { systemctl show -p "$1" --value "$unit"; }
case $1 in
    install)
        useradd --system carnallite
        mkdir -p /etc/carnallite
        printf 'clock = "record"\nobservations = "all"\n' >/etc/carnallite/serve.toml
        chown -R root:carnallite /etc/carnallite
        chmod 750 /etc/carnallite
        python3 -m venv /opt/carnallite
        cd /srv/source
        /opt/carnallite/bin/pip install -q --no-cache-dir --require-hashes -r requirements/service.lock
        /opt/carnallite/bin/pip install -q --no-cache-dir --no-build-isolation --no-deps .
        systemctl enable -q "$unit" && /opt/carnallite/bin/carnallite --version ;;
    ready) ready ;;
    confined) grep -E 'Seccomp:|NoNewPrivs|CapBnd|^Uid' "/proc/$(shown MainPID)/status" | tr -s '\t\n' ' ' | grep 'CapBnd: 0* .*NoNewPrivs: 1 Seccomp: 2' ;;
    assess | forecast) ask "$1" ;;
    state) [ "$(stat -c '%U %a' $home)" = 'carnallite 700' ] && [ "$(stat -c '%U %a' $home/kept.db)" = 'carnallite 600' ] && ls $home | tr '\n' ' ' ;;
    killed)
        old=$(shown MainPID)
        kill -9 "$old"
        sleep 1
        ready
        [ "$(shown MainPID)" != "$old" ] && [ "$(shown NRestarts)" -ge 1 ] && echo "ended by signal 9, begun again" ;;
    worker)
        kill -9 "$(pgrep -P "$(shown MainPID)" -f multiprocessing-fork | head -1)"
        sleep 1
        ask assess ;;
    stop)
        ask assess >/run/begun &
        sleep 0.2
        from=$(date +%s%N)
        systemctl stop "$unit"
        took=$((($(date +%s%N) - from) / 1000000))
        wait %1 && [ "$(shown Result)" = success ] && [ "$took" -lt 12000 ] && echo "$took ms; what had begun was answered" ;;
    again) systemctl start "$unit" && ready ;;
    log) CARNALLITE_STORE=sqlite:///$home/kept.db /opt/carnallite/bin/carnallite audit --config /etc/carnallite/serve.toml --verify | tr '\n' ' ' ;;
esac
