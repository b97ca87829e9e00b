// SPDX-License-Identifier: Apache-2.0
#include "run/bundle.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

#include "run/seccomp.hpp"
#include "util/json.hpp"

namespace bottle::run {
namespace {

Json mount(const std::string& target, const std::string& type, const std::string& source,
           std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

Json system_mounts(const Bundle& bundle) {
  const bool is_root = bundle.id_mapping == IdMapping::root;
  Json mounts = Json::array();
  if (bundle.has_new_proc)
    mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  else
    mounts.push_back(mount("/proc", "bind", "/proc", {"rbind", "nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  std::vector<std::string> terminals{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (bundle.id_mapping != IdMapping::single) terminals.emplace_back("gid=5");  // the group "tty"
  mounts.push_back(mount("/dev/pts", "devpts", "devpts", std::move(terminals)));
  // A mount of the instruction takes its place: some runtimes would put the one below the other.
  const bool is_taken = std::any_of(bundle.mounts.begin(), bundle.mounts.end(),
                                    [](const BundleMount& item) { return item.target == "/dev/shm"; });
  if (!is_taken)
    mounts.push_back(
        mount("/dev/shm", "tmpfs", "shm",
              {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(bundle.shm_size)}));
  mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  // sysfs belongs to a network namespace: who does not own that can only show what is there.
  if (is_root || !bundle.has_network)
    mounts.push_back(mount("/sys", "sysfs", "sysfs",
                           {"nosuid", "noexec", "nodev", bundle.is_insecure && is_root ? "rw" : "ro"}));
  else
    mounts.push_back(mount("/sys", "bind", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  return mounts;
}

// By number (capabilities(7), linux/capability.h).
constexpr std::array kCapabilities{"CAP_CHOWN",
                                   "CAP_DAC_OVERRIDE",
                                   "CAP_DAC_READ_SEARCH",
                                   "CAP_FOWNER",
                                   "CAP_FSETID",
                                   "CAP_KILL",
                                   "CAP_SETGID",
                                   "CAP_SETUID",
                                   "CAP_SETPCAP",
                                   "CAP_LINUX_IMMUTABLE",
                                   "CAP_NET_BIND_SERVICE",
                                   "CAP_NET_BROADCAST",
                                   "CAP_NET_ADMIN",
                                   "CAP_NET_RAW",
                                   "CAP_IPC_LOCK",
                                   "CAP_IPC_OWNER",
                                   "CAP_SYS_MODULE",
                                   "CAP_SYS_RAWIO",
                                   "CAP_SYS_CHROOT",
                                   "CAP_SYS_PTRACE",
                                   "CAP_SYS_PACCT",
                                   "CAP_SYS_ADMIN",
                                   "CAP_SYS_BOOT",
                                   "CAP_SYS_NICE",
                                   "CAP_SYS_RESOURCE",
                                   "CAP_SYS_TIME",
                                   "CAP_SYS_TTY_CONFIG",
                                   "CAP_MKNOD",
                                   "CAP_LEASE",
                                   "CAP_AUDIT_WRITE",
                                   "CAP_AUDIT_CONTROL",
                                   "CAP_SETFCAP",
                                   "CAP_MAC_OVERRIDE",
                                   "CAP_MAC_ADMIN",
                                   "CAP_SYSLOG",
                                   "CAP_WAKE_ALARM",
                                   "CAP_BLOCK_SUSPEND",
                                   "CAP_AUDIT_READ",
                                   "CAP_PERFMON",
                                   "CAP_BPF",
                                   "CAP_CHECKPOINT_RESTORE"};

// All that this process could give.
Json own_capabilities() {
  constexpr std::string_view kName = "CapBnd:\t";
  const std::string status = read_file("/proc/self/status");
  const std::size_t at = status.find(kName);
  const std::uint64_t bits =
      at == std::string::npos ? 0 : std::stoull(status.substr(at + kName.size(), 16), nullptr, 16);
  Json names = Json::array();
  for (std::size_t i = 0; i < kCapabilities.size(); ++i)
    if ((bits >> i & 1) != 0) names.push_back(kCapabilities[i]);
  return {{"bounding", names},
          {"effective", names},
          {"permitted", names},
          {"inheritable", names},
          {"ambient", names}};
}

// Docker's default set.
constexpr std::array<std::string_view, 14> kDefaultCapabilities{
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",          "CAP_MKNOD",
    "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",      "CAP_SETFCAP",         "CAP_SETPCAP",
    "CAP_KILL",    "CAP_SYS_CHROOT",   "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"};

Json capabilities(const Bundle& bundle) {
  if (bundle.is_insecure) return own_capabilities();
  const Json names = kDefaultCapabilities;
  return {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

// The host's devices that --security=insecure shows, where it has them and we may make them.
// Source: BuildKit, util/entitlements/security.
Json insecure_devices() {
  Json devices = Json::array();
  for (const char* path :
       {"/dev/kmsg", "/dev/cuse", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/loop-control"}) {
    struct stat status {};
    if (::stat(path, &status) != 0 || !S_ISCHR(status.st_mode)) continue;
    devices.push_back({{"path", path},
                       {"type", "c"},
                       {"major", major(status.st_rdev)},
                       {"minor", minor(status.st_rdev)},
                       {"fileMode", status.st_mode & 0777u}});
  }
  return devices;
}

// What tells of other processes, of secrets of the kernel, or so exactly of times, temperatures and power
// that work elsewhere on the machine can be guessed. Source: what Docker 29 masks.
std::vector<std::string> masked_paths() {
  std::vector<std::string> paths{"/proc/acpi",
                                 "/proc/asound",
                                 "/proc/interrupts",
                                 "/proc/kcore",
                                 "/proc/keys",
                                 "/proc/latency_stats",
                                 "/proc/sched_debug",
                                 "/proc/scsi",
                                 "/proc/timer_list",
                                 "/proc/timer_stats",
                                 "/sys/devices/virtual/powercap",
                                 "/sys/firmware"};
  std::error_code error;
  for (fs::directory_iterator item("/sys/devices/system/cpu", error), end; !error && item != end;
       item.increment(error)) {
    const fs::path throttle = item->path() / "thermal_throttle";
    std::error_code ignored;
    if (fs::is_directory(throttle, ignored)) paths.push_back(throttle.native());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Json linux_part(const Bundle& bundle) {
  const bool is_root = bundle.id_mapping == IdMapping::root;
  Json namespaces = Json::array();
  for (const char* name : {"pid", "ipc", "uts", "mount"})
    namespaces.push_back({{"type", name}});
  if (!bundle.has_network) namespaces.push_back({{"type", "network"}});
  Json part = {{"namespaces", namespaces}, {"resources", Json::object()}};
  if (bundle.is_insecure) {
    if (!is_root) return part;
    part["resources"]["devices"] = Json::array({{{"allow", true}, {"access", "rwm"}}});
    part["devices"] = insecure_devices();
    return part;
  }
  if (is_root) part["resources"]["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  part["maskedPaths"] = masked_paths();
  part["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  if (bundle.has_seccomp) part["seccomp"] = seccomp_profile();
  return part;
}

// An unlimited one is RLIM_INFINITY (runtime-spec, config.md "POSIX process").
Json resource_limits(const Bundle& bundle) {
  Json limits = Json::array();
  for (const image::ResourceLimit& limit : bundle.limits) {
    std::string type = "RLIMIT_";
    for (const char c : limit.name)
      type += static_cast<char>(c - 'a' + 'A');
    limits.push_back({{"type", type},
                      {"hard", static_cast<std::uint64_t>(limit.hard)},
                      {"soft", static_cast<std::uint64_t>(limit.soft)}});
  }
  return limits;
}

}  // namespace

std::uint64_t bundle_capabilities() {
  std::uint64_t bits = 0;
  for (std::size_t number = 0; number < kCapabilities.size(); ++number)
    if (std::find(kDefaultCapabilities.begin(), kDefaultCapabilities.end(), kCapabilities[number]) !=
        kDefaultCapabilities.end())
      bits |= std::uint64_t{1} << number;
  return bits;
}

const std::vector<std::string>& system_mount_points() {
  static const std::vector<std::string> kPoints{"/proc", "/dev", "/sys"};
  return kPoints;
}

std::string bundle_config(const Bundle& bundle) {
  Json user = {{"uid", bundle.uid}, {"gid", bundle.gid}};
  if (!bundle.groups.empty() && bundle.id_mapping != IdMapping::single)
    user["additionalGids"] = bundle.groups;
  Json mounts = system_mounts(bundle);
  for (const BundleMount& item : bundle.mounts)
    mounts.push_back(mount(item.target, item.type, item.source, item.options));
  Json config = {{"ociVersion", "1.0.2"},
                 {"process",
                  {{"terminal", bundle.has_terminal},
                   {"user", user},
                   {"args", bundle.arguments},
                   {"env", bundle.environment},
                   {"cwd", bundle.directory},
                   {"capabilities", capabilities(bundle)},
                   {"noNewPrivileges", false}}},
                 {"root", {{"path", bundle.root.native()}, {"readonly", false}}},
                 {"hostname", "buildkitsandbox"},
                 {"mounts", mounts},
                 {"linux", linux_part(bundle)}};
  if (!bundle.limits.empty()) config["process"]["rlimits"] = resource_limits(bundle);
  // Arguments and variables are bytes; JSON holds text only.
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bottle::run
