# A cgroup of the world's own in every hierarchy, so that none is left behind. Sets no limits.
# shellcheck shell=bash

# Prints `MOUNTPOINT DIRECTORY TYPE` for every hierarchy: the world lives below where it was started,
# but in version 2, where only the top may hold both processes and groups, below the top.
hierarchies() {
  local root mount rest type options path
  while read -r _ _ _ root mount rest; do
    read -r type _ options <<<"${rest#* - }"
    case $type in
      cgroup) path=$(own_cgroup "$options") ;;
      cgroup2) path=/ ;;
      *) continue ;;
    esac
    path=${path#"${root%/}"}
    echo "$mount $mount${path%/} $type"
  done </proc/self/mountinfo
}

# Where this process is in the version 1 hierarchy with one of these mount options.
own_cgroup() {
  local names path
  while IFS=: read -r _ names path; do
    [[ -n $names && ,$1, == *,${names%%,*},* ]] && echo "$path" && return
  done </proc/self/cgroup
  echo /
}

make_cgroups() {
  local dir file
  while read -r _ dir _; do
    mkdir "$dir/$1" || continue
    for file in cpuset.cpus cpuset.mems; do # a version 1 cpuset takes no process before these are set
      [[ -e $dir/cgroup.clone_children && -e $dir/$1/$file ]] && cat "$dir/$file" >"$dir/$1/$file"
    done
  done < <(hierarchies)
}

# Moves this process, with all that it will start.
enter_cgroups() {
  local dir
  while read -r _ dir _; do
    echo 0 >"$dir/$1/cgroup.procs"
  done < <(hierarchies)
}

# Version 1 lets nobody die who is frozen, and a paused container is. $1: the world, or nothing inside.
thaw_cgroups() {
  local dir state
  while read -r _ dir _; do
    while read -r state; do
      echo THAWED >"$state"
    done < <(find "$dir/${1-}" -mindepth 1 -name freezer.state 2>/dev/null)
  done < <(hierarchies) 2>/dev/null
}

# The directories go when nothing lives in them; the kernel may need a moment after the last death.
remove_cgroups() {
  local dir try
  thaw_cgroups "$1"
  while read -r _ dir _; do
    for ((try = 0; try < 50; try++)); do
      [[ -d $dir/$1 ]] || break
      find "$dir/$1" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.05
    done
  done < <(hierarchies)
}

# What is left of worlds whose script was killed.
sweep_dead_worlds() {
  local dir old
  while read -r _ dir _; do
    for old in "$dir"/drowse-test.*; do
      [[ -d $old ]] && ! kill -0 "${old##*.}" 2>/dev/null && remove_cgroups "${old##*/}"
    done
  done < <(hierarchies)
}

# In the cgroup namespace: a /sys of the world's own network and cgroups. Version 2 wants processes
# in leaves only, so process 1 moves into one and the controllers are passed on.
mount_cgroups() {
  local mount type options name list
  list=$(while read -r mount _ type; do
    echo "$mount $type $(findmnt -no FS-OPTIONS "$mount")"
  done < <(hierarchies))
  umount -R -l /sys
  mount -t sysfs sysfs /sys
  [[ $list == "/sys/fs/cgroup cgroup2 "* ]] || mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
  while read -r mount type options; do
    mkdir -p "$mount"
    if [[ $type == cgroup2 ]]; then
      mount -t cgroup2 cgroup2 "$mount"
      mkdir "$mount/init" && echo 1 >"$mount/init/cgroup.procs"
      for name in $(<"$mount/cgroup.controllers"); do
        echo "+$name" >"$mount/cgroup.subtree_control"
      done
    else
      options=$(tr , '\n' <<<"$options" | grep -vxE 'rw|xattr|release_agent=.*' | paste -sd,)
      mount -t cgroup -o "${options/#name=/none,name=}" cgroup "$mount"
    fi
  done <<<"$list"
}
