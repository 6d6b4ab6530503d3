# Sourced by scripts: makes the demonstration's images from Debian's static busybox.

# busybox_image NAME VERSION FILE: a docker-archive with a web server whose answer names its version and host.
# As process 1 busybox's httpd ignores SIGTERM: so a shell starts it, ends it when asked and lets it finish its answers.
busybox_image() {
  local name=$1 version=$2 file=$3 work
  work=$(mktemp -d)
  mkdir -p "$work/root"/{bin,www/cgi-bin,etc,tmp}
  cp /bin/busybox "$work/root/bin/busybox"
  for applet in sh httpd wget cat sleep hostname kill true echo ls nslookup ip id env; do
    ln -s busybox "$work/root/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$work/root/etc/passwd"
  printf '#!/bin/sh\necho "Content-Type: text/plain"\necho\necho "%s $(hostname) $REMOTE_ADDR"\n' "$version" \
    >"$work/root/www/cgi-bin/hello"
  cat >"$work/root/bin/serve" <<'SERVE'
#!/bin/sh
httpd -f -p 8080 -h /www &
server=$!
trap 'kill -TERM $server; sleep 1; exit 0' TERM
wait $server
SERVE
  chmod +x "$work/root/bin/serve" "$work/root/www/cgi-bin/hello"
  tar -C "$work/root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf "$work/layer.tar" .
  local diff config
  diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  cat >"$work/config.json" <<JSON
{"architecture":"$(dpkg --print-architecture)","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["serve"],"ExposedPorts":{"8080/tcp":{}}},
"rootfs":{"type":"layers","diff_ids":["sha256:$diff"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"busybox"}]}
JSON
  config=$(sha256sum "$work/config.json" | cut -d' ' -f1)
  mv "$work/config.json" "$work/$config.json"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$config" "$name" >"$work/manifest.json"
  tar -C "$work" -cf "$file" manifest.json "$config.json" layer.tar
  rm -rf "$work"
}
