#include "image/run_bundle.hpp"

#include "util/json.hpp"

namespace bottle::image {
namespace {

Json mount(const std::string& target, const std::string& type, const std::string& source,
           std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

Json system_mounts(const Bundle& bundle) {
  const bool is_root = bundle.identity == Identity::root;
  Json mounts = Json::array();
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  std::vector<std::string> terminals{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (bundle.identity != Identity::single) terminals.emplace_back("gid=5");  // the group "tty"
  mounts.push_back(mount("/dev/pts", "devpts", "devpts", std::move(terminals)));
  mounts.push_back(
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  // sysfs belongs to a network namespace: who does not own that can only show what is there.
  if (is_root || !bundle.has_network)
    mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  else
    mounts.push_back(mount("/sys", "bind", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  return mounts;
}

Json capabilities() {
  // Docker's default set.
  const Json names = {"CAP_CHOWN",       "CAP_DAC_OVERRIDE",    "CAP_FSETID", "CAP_FOWNER",
                      "CAP_MKNOD",       "CAP_NET_RAW",         "CAP_SETGID", "CAP_SETUID",
                      "CAP_SETFCAP",     "CAP_SETPCAP",         "CAP_KILL",   "CAP_SYS_CHROOT",
                      "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"};
  return {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

}  // namespace

const std::vector<std::string>& system_mount_points() {
  static const std::vector<std::string> kPoints{"/proc", "/dev", "/sys"};
  return kPoints;
}

std::string bundle_config(const Bundle& bundle) {
  Json user = {{"uid", bundle.uid}, {"gid", bundle.gid}};
  if (!bundle.groups.empty() && bundle.identity != Identity::single) user["additionalGids"] = bundle.groups;
  Json mounts = system_mounts(bundle);
  for (const BundleMount& item : bundle.mounts)
    mounts.push_back(mount(item.target, item.type, item.source, item.options));
  Json namespaces = Json::array();
  for (const char* name : {"pid", "ipc", "uts", "mount"})
    namespaces.push_back({{"type", name}});
  if (!bundle.has_network) namespaces.push_back({{"type", "network"}});
  Json limits = Json::object();
  if (bundle.identity == Identity::root)
    limits["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  const Json config = {
      {"ociVersion", "1.0.2"},
      {"process",
       {{"terminal", bundle.has_terminal},
        {"user", user},
        {"args", bundle.arguments},
        {"env", bundle.environment},
        {"cwd", bundle.directory},
        {"capabilities", capabilities()},
        {"noNewPrivileges", false}}},
      {"root", {{"path", bundle.root.native()}, {"readonly", false}}},
      {"hostname", "buildkitsandbox"},
      {"mounts", mounts},
      {"linux",
       {{"namespaces", namespaces},
        {"resources", limits},
        {"maskedPaths",
         {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
          "/sys/devices/virtual/powercap"}},
        {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}}}};
  // Arguments and variables are bytes; JSON holds text only.
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bottle::image
