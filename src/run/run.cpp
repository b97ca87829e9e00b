// SPDX-License-Identifier: Apache-2.0
#include "run/run.hpp"

#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <random>

#include "dockerfile/words.hpp"
#include "run/chroot_command.hpp"
#include "run/layer.hpp"
#include "run/message.hpp"
#include "run/mounts.hpp"
#include "run/placement.hpp"
#include "run/run_directory.hpp"
#include "run/runtime.hpp"
#include "run/targets.hpp"
#include "run/tree_stamps.hpp"
#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::run {
namespace {

constexpr std::size_t kLinesKept = 20;
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* kHosts =
    "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";

// What the process of a RUN reports.
constexpr std::string_view kLayer = "layer";  // and why the command did not work on an overlay ("" if it did,
                                              // or need not), and the layer's index
constexpr std::string_view kFailure = "failure";  // of the command, and why

constexpr const char* kNoSeccomp =
    "warning: the runtime or kernel does not support seccomp: the system calls of RUN are not restricted\n";

// What the command says, cut into lines.
class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}

  void add(std::string_view text) {
    for (const char c : text) {
      if (c == '\n')
        end();
      else
        line_ += c;
    }
  }
  void finish() {
    if (!line_.empty()) end();
  }
  std::string last() const {
    std::string text;
    for (const std::string& line : kept_)
      text += "\n  | " + line;
    return text;
  }

 private:
  void end() {
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    on_line_(line_);
    kept_.push_back(std::move(line_));
    if (kept_.size() > kLinesKept) kept_.pop_front();
    line_.clear();
  }

  const std::function<void(std::string_view)>& on_line_;
  std::string line_;
  std::deque<std::string> kept_;
};

bool has_name(const std::vector<std::string>& lines, std::string_view name) {
  for (const std::string& line : lines)
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') return true;
  return false;
}

std::vector<std::string> environment_of(const RunRequest& request, const RunContext& context,
                                        const RunUser& user) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : request.proxies)
    lines.push_back(name + "=" + value);
  for (const auto& [name, value] : request.environment)
    if (!has_name(lines, name)) lines.push_back(name + "=" + value);
  if (!has_name(lines, "PATH")) lines.push_back(std::string("PATH=") + kPath);
  if (!has_name(lines, "HOME")) lines.push_back("HOME=" + user.home);
  if (!has_name(lines, "SOURCE_DATE_EPOCH"))
    lines.push_back("SOURCE_DATE_EPOCH=" + std::to_string(context.epoch));
  return lines;
}

// One RUN in its process.
class Execution {
 public:
  Execution(const RunRequest& request, const RunContext& context, const RunUser& user, IdMapping id_mapping,
            unsigned caller, std::string name)
      : request_(request),
        context_(context),
        user_(user),
        id_mapping_(id_mapping),
        name_(std::move(name)),
        directory_(context.place, name_),
        caller_(caller),
        snapshots_(context.store, context.place, id_mapping, caller, directory_.path()) {}

  // A message of kLayer or kFailure.
  std::string run(int output) {
    fs::create_directory(directory_.path() / "private");
    changes_.stubs = stubs(system_mount_points());
    for (const std::string& point : system_mount_points())
      std::erase(changes_.stubs, path_in_root(point));
    const bool is_chroot = context_.isolation.grade == Grade::chroot;
    const RuntimeResult result = is_chroot ? run_in_chroot(output) : run_with_runtime(output);
    if (!result.status.success())
      return message({kFailure, result.complaint.empty() ? result.status.text() : result.complaint});
    const LayerMaker maker(context_, id_mapping_);
    oci::LayerIndex layer = maker.make(changes_);
    if (changes_.is_overlay) publish(layer, changes_.directory);
    return message({kLayer, why_copied_, layer.serialize()});
  }

 private:
  RuntimeResult run_with_runtime(int output) {
    const fs::path work = directory_.path();
    // Memory-backed: neither secrets nor what the runtime writes of them ever reach the disk.
    const MountPoint memory("tmpfs", work / "private", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700");
    const Runtime runtime =
        find_runtime(id_mapping_, runtime_memory(context_.place, id_mapping_, caller_),
                     context_.isolation.machine, probe_directory(), run_container("probe-" + name_));
    const std::vector<fs::path> lowers = snapshots_.lowers(context_.image, context_.base_layers);
    const std::optional<MountPoint> overlay = mount_root(lowers, work);
    const RunMounts mounts(request_, context_, id_mapping_, caller_, snapshots_, work, work / "private",
                           true);
    if (!runtime.has_seccomp && !request_.is_insecure) write_all(output, kNoSeccomp, "pipe");
    Bundle bundle = describe(changes_.is_overlay ? work / "root" : changes_.directory, mounts);
    bundle.has_seccomp = runtime.has_seccomp;
    bundle.has_new_proc = runtime.mode.has_new_proc;
    make_mount_parents(bundle);
    RuntimeResult result = execute(runtime, work / "private", run_container(name_), bundle, output);
    if (!result.status.success() && context_.debug_shell) open_shell(runtime, bundle);
    return result;
  }

  // What is left in the layer of the directories that mounts need. Runtimes make them with different modes.
  void make_mount_parents(const Bundle& bundle) const {
    std::vector<std::string> targets;
    for (const BundleMount& mount : bundle.mounts)
      targets.push_back(path_in_root(mount.target));
    const auto is_in_target = [&](const std::string& path) {
      return std::any_of(targets.begin(), targets.end(),
                         [&](const std::string& target) { return is_within(path, target); });
    };
    std::vector<std::string> missing;
    for (const std::string& point : system_mount_points())
      missing.push_back(path_in_root(point));
    for (auto stub = changes_.stubs.rbegin(); stub != changes_.stubs.rend(); ++stub)
      if (!is_in_target(*stub)) missing.push_back(*stub);
    std::sort(missing.begin(), missing.end());  // parents first
    for (const std::string& path : missing) {
      const fs::path directory = bundle.root / path;
      if (fs::symlink_status(directory).type() != fs::file_type::not_found) continue;
      if (!fs::exists(directory.parent_path())) continue;  // in a mount that makes it
      fs::create_directory(directory);
      fs::permissions(directory, static_cast<fs::perms>(0755));
    }
  }

  // On a copy, since there are no mounts. Secrets are on the disk, in a directory that only root may enter,
  // for as long as the command runs.
  RuntimeResult run_in_chroot(int output) {
    const fs::path work = directory_.path();
    fs::permissions(work / "private", fs::perms::owner_all);
    make_copy(work / "copy");
    stamps_.emplace(changes_.directory, work);
    changes_.stamps = &*stamps_;
    const RunMounts mounts(request_, context_, id_mapping_, caller_, snapshots_, work, work / "private",
                           false);
    Bundle bundle = describe(changes_.directory, mounts);
    const fs::path beside = work / "beside";
    fs::create_directory(beside);
    Placement placement(bundle, beside);
    RuntimeResult result = execute_in_chroot(bundle, output);
    if (result.status.success()) {
      placement.undo();
    } else if (context_.debug_shell) {
      bundle.arguments = {"/bin/sh"};
      bundle.has_terminal = true;
      (void)execute_in_chroot(bundle, STDOUT_FILENO);
    }
    return result;
  }

  void open_shell(const Runtime& runtime, Bundle bundle) const {
    bundle.arguments = {"/bin/sh"};
    bundle.has_terminal = true;
    const fs::path place = directory_.path() / "private" / "shell";
    fs::create_directory(place);
    (void)execute(runtime, place, run_container(name_), bundle, STDOUT_FILENO);
  }

  fs::path probe_directory() const {
    fs::path path = directory_.path() / "private" / "probe";
    fs::create_directory(path);
    return path;
  }

  std::optional<MountPoint> mount_root(const std::vector<fs::path>& lowers, const fs::path& work) {
    fs::create_directory(work / "upper");
    // The overlay's root has the attributes of the upper directory.
    oci::Entry root = *context_.tree.root().inode;
    root.path.clear();
    unpack({root}, {}, context_.image.reader(context_.store), work / "upper", snapshots_.unpack_options());
    Overlay overlay = mount_overlay(context_.place, lowers, work, id_mapping_ != IdMapping::root);
    why_copied_ = overlay.why_not;
    if (overlay.point) {
      changes_.is_overlay = true;
      changes_.directory = work / "upper";
    } else {
      make_copy(work / "copy");
    }
    return std::move(overlay.point);
  }

  void make_copy(const fs::path& directory) {
    changes_.directory = directory;
    fs::create_directory(directory);
    unpack(context_.tree.entries(), context_.tree.roots(), context_.image.reader(context_.store), directory,
           snapshots_.unpack_options());
  }

  // Of the targets, what is not there yet with the directories above: the runtime will make it. Deepest
  // first.
  std::vector<std::string> stubs(const std::vector<std::string>& targets) const {
    std::vector<std::string> result;
    for (const std::string& target : targets) {
      auto path = context_.tree.resolve(path_in_root(target), true);
      while (path && !path->empty() && context_.tree.find(*path) == nullptr) {
        result.push_back(*path);
        path = std::string(oci::parent_path(*path));
      }
    }
    return result;
  }

  // Also notes what has to be made for the mounts.
  Bundle describe(const fs::path& root, const RunMounts& mounts) {
    const fs::path memory = directory_.path() / "private";
    Bundle bundle;
    bundle.root = root;
    bundle.arguments = request_.arguments;
    bundle.environment = environment_of(request_, context_, user_);
    for (const std::string& line : mounts.environment()) {
      // Of two variables with one name programs differ in which they take.
      const std::string_view name = std::string_view(line).substr(0, line.find('=') + 1);
      std::erase_if(bundle.environment, [&](const std::string& other) { return other.starts_with(name); });
      bundle.environment.push_back(line);
    }
    bundle.directory = request_.workdir;
    bundle.uid = user_.uid;
    bundle.gid = user_.gid;
    bundle.groups = user_.groups;
    bundle.has_network = request_.has_network;
    bundle.id_mapping = id_mapping_;
    bundle.is_insecure = request_.is_insecure;
    bundle.shm_size = request_.settings.shm_size;
    bundle.limits = request_.settings.limits;
    const auto file = [&](const char* name, const std::string& content, mode_t mode,
                          const std::string& target, bool gives_way) {
      const fs::path path = memory / name;
      write_file(path, content, Durable::no);
      fs::permissions(path, static_cast<fs::perms>(mode));
      bundle.mounts.push_back(
          {.target = target, .source = path.native(), .options = {"rbind", "ro"}, .gives_way = gives_way});
    };
    std::string hosts = kHosts;
    for (const image::HostEntry& host : request_.settings.hosts)
      hosts += host.address + "\t" + host.name + "\n";
    file("hosts", hosts, 0644, "/etc/hosts", true);
    const std::string servers =
        request_.has_network ? read_file_if_exists("/etc/resolv.conf").value_or("") : std::string();
    file("resolv.conf", servers, 0644, "/etc/resolv.conf", true);
    if (request_.script)
      file("script", request_.script->content, 0755, "/dev/pipes/" + request_.script->name, false);
    // A target below another one is mounted after it, in whatever order they are written, as by BuildKit.
    std::vector<BundleMount> ordered = mounts.mounts();
    const auto depth = [](const BundleMount& mount) {
      const fs::path target = fs::path(mount.target).lexically_normal();
      return std::distance(target.begin(), target.end()) - (target.has_filename() ? 0 : 1);
    };
    std::stable_sort(ordered.begin(), ordered.end(),
                     [&](const BundleMount& a, const BundleMount& b) { return depth(a) < depth(b); });
    bundle.mounts.insert(bundle.mounts.end(), ordered.begin(), ordered.end());
    settle_targets(bundle);
    std::vector<std::string> targets;
    for (const BundleMount& mount : bundle.mounts)
      targets.push_back(mount.target);
    for (std::string& stub : stubs(targets))
      changes_.stubs.push_back(std::move(stub));
    return bundle;
  }

  // What the command left is the next instruction's lower directory already.
  void publish(const oci::LayerIndex& layer, const fs::path& upper) {
    image::LoadedPlan above;
    above.plan.layers = context_.image.plan.layers;
    above.plan.layers.push_back(
        {.digest = layer.digest(), .scope = {}, .diff_id = {}, .blob_media_type = {}, .blob = {}});
    snapshots_.publish_command(upper, chain_digest(above, above.plan.layers.size()),
                               chain_digest(context_.image, context_.image.layers.size()));
  }

  const RunRequest& request_;
  const RunContext& context_;
  const RunUser& user_;
  IdMapping id_mapping_;
  std::string name_;
  RunDirectory directory_;
  unsigned caller_;
  Snapshots snapshots_;
  Changes changes_;
  std::optional<TreeStamps> stamps_;
  std::string why_copied_;
};

std::string command_text(const RunRequest& request) {
  std::string text;
  for (const std::string& argument : request.arguments)
    text += (text.empty() ? "" : " ") + argument;
  return text;
}

void refuse_what_chroot_lacks(const RunRequest& request, const Isolation& isolation) {
  if (!request.has_network) refuse_feature(isolation, "--network=none requires a network namespace");
  if (request.is_insecure) refuse_feature(isolation, "--security=insecure requires mounts and namespaces");
}

}  // namespace

struct RunExecution::State {
  State(const RunRequest& wanted_request, RunContext wanted_context)
      : request(wanted_request), context(std::move(wanted_context)), lines(context.on_line) {}

  const RunRequest& request;
  RunContext context;
  Lines lines;
  std::optional<ConfinedProcess> process;
};

RunExecution::RunExecution(const RunRequest& request, RunContext wanted)
    : state_(std::make_unique<State>(request, std::move(wanted))) {
  RunContext& context = state_->context;
  const auto read = [reader = context.image.reader(context.store)](const oci::Entry& entry,
                                                                   const std::vector<std::string>& roots) {
    std::string text(entry.size, '\0');
    reader.read_verified(entry, roots, std::as_writable_bytes(std::span(text)));
    return text;
  };
  const RunUser user = resolve_run_user(request.user, context.tree, read);
  if (!context.isolation.grade) refuse_run(context.isolation);
  const IdMapping id_mapping = context.isolation.id_mapping;
  const bool is_chroot = context.isolation.grade == Grade::chroot;
  if (is_chroot) refuse_what_chroot_lacks(request, context.isolation);
  if (id_mapping == IdMapping::single && (user.uid != 0 || user.gid != 0))
    throw Error(fmt::format("cannot run as user {}:{}: this user has no subordinate ids", user.uid, user.gid),
                {.hint = "install newuidmap (Debian: apt install uidmap) and add this user to /etc/subuid "
                         "and /etc/subgid, or build as root"});
  const unsigned caller = ::geteuid();
  const std::string name = fmt::format("{}-{:08x}", ::getpid(), std::random_device()());
  const std::string owner = cache_owner(id_mapping, caller);
  context.place = context.store.work_directory(
      {"run", "snapshots/" + owner, "snapshots/" + owner + "/.locks", "cache/" + owner});
  if (id_mapping == IdMapping::single && context.warn)
    context.warn(
        "this user has no subordinate ids (/etc/subuid, newuidmap): this RUN cannot change owners, and all "
        "its files belong to one user");
  const bool has_terminal =
      context.debug_shell && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  const auto body = [&](int output) {
    RunContext inside = context;
    inside.debug_shell = has_terminal;
    return Execution(request, inside, user, id_mapping, caller, name).run(output);
  };
  const Confinement confinement{.id_mapping = id_mapping,
                                .boundary = is_chroot ? Boundary::none : Boundary::namespaces};
  state_->process.emplace(confinement, has_terminal ? Terminal::inherited : Terminal::none, body,
                          [lines = &state_->lines](std::string_view text) { lines->add(text); });
}

RunExecution::~RunExecution() = default;

ConfinedProcess& RunExecution::process() {
  return *state_->process;
}

oci::LayerIndex RunExecution::finish() {
  const std::string result = state_->process->result();
  state_->lines.finish();
  const auto fields = message_fields(result);
  if (fields && fields->size() == 3 && fields->front() == kLayer) {
    why_copied_ = fields->at(1);
    return oci::LayerIndex::parse(fields->at(2), "RUN");
  }
  if (!fields || fields->size() != 2 || fields->front() != kFailure)
    throw Error("the process that executes the instruction sent an unknown result");
  throw Error(fmt::format("the command failed: {}: {}{}", fields->at(1), command_text(state_->request),
                          state_->lines.last()),
              {.hint = state_->context.debug_shell
                           ? ""
                           : "add --debug-shell to bottle-image build to open a shell at this point"});
}

}  // namespace bottle::run
