# What tests use to drive Martlet: the docker CLI and docker-py. To be sourced in the repository's root.

# Where scripts/setup --tests puts a docker CLI of its own.
clients=$PWD/.build/clients/bin

# docker_cli: prints the path of the docker CLI, not of another program of that name.
docker_cli() {
  local path
  for path in "$(type -P docker)" "$clients/docker"; do
    if [[ -x $path && $("$path" --version 2>/dev/null) == "Docker version "* ]]; then
      echo "$path"
      return
    fi
  done
  return 1
}

# docker_python: prints the path of a python3 that has docker-py.
docker_python() {
  local path
  for path in "$(type -P "${MARTLET_PYTHON:-python3}")" /usr/bin/python3; do
    if [[ -x $path ]] && "$path" -c 'import docker; docker.DockerClient' 2>/dev/null; then
      echo "$path"
      return
    fi
  done
  return 1
}

# get_docker_cli: takes the one program out of Debian's package, so that no daemon, service or group comes with it.
get_docker_cli() {
  local work package
  work=$(mktemp -d)
  # From Debian 13 on the CLI is a package of its own.
  for package in docker-cli docker.io; do
    if (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null 2>"$package.log") &&
      dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" ./usr/bin/docker 2>>"$work/$package.log"; then
      mkdir -p "$clients"
      mv "$work/usr/bin/docker" "$clients/docker"
      break
    fi
  done
  docker_cli >/dev/null || sed 's/^/  /' "$work/docker.io.log" >&2
  rm -rf "$work"
  docker_cli >/dev/null
}

# missing_controllers: prints the controllers of resources that cgroup v2 does not have on this machine.
missing_controllers() {
  local mount controllers name missing=
  mount=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
  controllers=" $(cat "$mount/cgroup.controllers" 2>/dev/null || true) "
  for name in cpu memory pids; do
    [[ $controllers == *" $name "* ]] || missing+=" $name"
  done
  echo "${missing# }"
}
