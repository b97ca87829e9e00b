// SPDX-License-Identifier: Apache-2.0
// bottle-pack: packs from image plans, and what is in packs. Manual: docs/tools/bottle-pack.md.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "build_options.hpp"
#include "image/build_steps.hpp"
#include "image/model/machine_spec.hpp"
#include "image/model/spec.hpp"
#include "pack/extract.hpp"
#include "pack/manifest_diff.hpp"
#include "pack/pack_file.hpp"
#include "pack/pack_step.hpp"
#include "pack/tree.hpp"
#include "pack/verify.hpp"
#include "pack_runtime.hpp"
#include "store/store.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/heap.hpp"
#include "util/json.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

namespace {

using namespace bottle;
using namespace bottle::pack;

void print_warnings(const std::string& where, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings)
    fmt::print(stderr, "bottle-pack: {}: warning: {}\n", where, warning);
}

// Text of an untrusted file: control characters do not reach the terminal.
std::string shown(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  return result;
}

// smolvm looks for a pack under its own file name with this ending, and becomes that pack.
void warn_of_takeover(const fs::path& output) {
  const std::string name = output.filename().native();
  if (name != "smolvm.smolmachine" && name != "smolvm-bin.smolmachine") return;
  fmt::print(stderr, "{}: warning: a smolvm program in the same directory runs this pack for every command\n",
             output.native());
}

struct CreateOptions {
  std::string place;
  std::string spec;
  std::string out;
  std::string image;
  std::string output;
  std::optional<std::uint64_t> cpus;
  std::optional<std::uint64_t> memory;
  bool network = false;
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  bool no_entrypoint = false;
  bool no_cmd = false;
  std::optional<std::string> user;
  std::string name;
  int level = kDefaultLevel;
  std::string runtime;
  std::string smolvm_version;
  std::string packer;
  std::string registry_image;
  std::string store;
  std::size_t threads = 0;

  Subcommand add_to(Subcommand app) {
    Subcommand create =
        app.add_subcommand("create", "Make a pack from an image plan.")
            .footer("Example: bottle-pack create build/bottles/hello -o hello.smolmachine --cpus 2");
    create
        .add_option("place", place,
                    "Use the bottle's build directory or specification file, in place of --spec and --image")
        .type_name("DIR");
    create.add_option("--spec", spec, "Read the specification of a bottle that CMake wrote")
        .type_name("FILE");
    create
        .add_option("--out", out,
                    "Use DIR as the bottle's build directory (default: the specification's directory)")
        .type_name("DIR");
    create.add_option("--image", image, "Pack the image plan in DIR, instead of --spec").type_name("DIR");
    create
        .add_option("-o,--output", output, "Write the pack to FILE (default with --spec: <slug>.smolmachine)")
        .type_name("FILE");
    create.group_options("Input and output");
    create.add_option("--cpus", cpus, "Give the machine N CPUs, 1 to 255 (default: 4)").type_name("N");
    create.add_option("--memory", memory, "Give the machine MIB of memory, at least 64 (default: 8192)")
        .type_name("MIB");
    create.add_flag("--network", network, "Give the machine a network");
    create.group_options("Machine");
    create.add_option("--env", env, "Set KEY to VALUE in addition to the image's variables; repeatable")
        .type_name("KEY=VALUE");
    create.add_option("--entrypoint", entrypoint, "Replace the image's entrypoint; one option for each WORD")
        .type_name("WORD");
    create.add_option("--cmd", cmd, "Replace the image's arguments; one option for each WORD")
        .type_name("WORD");
    create.add_flag("--no-entrypoint", no_entrypoint, "Remove the image's entrypoint");
    create.add_flag("--no-cmd", no_cmd, "Remove the image's arguments");
    create
        .add_option("--user", user, "Run the command as USER, a name or number, instead of the image's user")
        .type_name("USER[:GROUP]");
    create.add_option("--name", name, "Name the image in the pack REF (default: <slug>:latest)")
        .type_name("REF");
    create.group_options("Image");
    create.add_option("--level", level, "Compress with zstd level N, 1 to 19").type_name("N").show_default();
    create
        .add_option(
            "--runtime", runtime,
            "Include smolvm's agent root filesystem from DIR, or \"none\" (default: the specification's, "
            "else $SMOLVM_AGENT_ROOTFS, the user's data directory, beside smolvm in PATH, /usr/lib/smolvm)")
        .type_name("DIR");
    create
        .add_option("--smolvm-version", smolvm_version,
                    "Write the pack for smolvm VERSION, 1.8.1 or newer (default: current)")
        .type_name("VERSION");
    create.add_option("--packer", packer, "Use the native packer, or the command smolvm (default: native)")
        .type_name("PACKER")
        .one_of({"native", "smolvm"});
    create
        .add_option("--registry-image", registry_image,
                    "Serve the image from a container of REF, with its digest, for --packer smolvm")
        .type_name("REF");
    create.add_option("--store", store, "Use the store in DIR").type_name("DIR");
    create.add_option("--jobs", threads, "Use N threads (default: the number of processors)").type_name("N");
    create.group_options("Packing");
    return create;
  }

  // The positional argument is what it holds: a specification, or else an image plan.
  void take_place() {
    if (place.empty()) return;
    if (!spec.empty() || !image.empty())
      throw UsageError(
          "unexpected argument \"" + place + "\": it conflicts with " + (spec.empty() ? "--image" : "--spec"),
          {.where = "bottle-pack create"});
    spec = tools::specification_in(place);
    if (!spec.empty()) return;
    image = place;
    if (output.empty())
      output = fs::absolute(fs::path(place) / "").parent_path().filename().native() + ".smolmachine";
  }

  PackRequest request() const {
    PackRequest result;
    std::int64_t epoch = 0;
    if (spec.empty() == image.empty())
      throw UsageError(
          "expected one of --spec and --image",
          {.where = "bottle-pack create",
           .hint = "give the bottle's build directory: bottle-pack create build/bottles/<slug>"});
    if (!spec.empty()) {
      const image::BuildSpec build = image::load_spec(spec);
      epoch = image::source_date_epoch(build);
      const fs::path directory = out.empty() ? build.directory : fs::path(out);
      result.slug = build.slug;
      result.plan_directory = result.records = directory;
      result.output = output.empty() ? directory / (build.slug + ".smolmachine") : fs::path(output);
      result.options.image = build.tag;
      result.options.cpus = build.pack.cpus;
      result.options.memory_mib = build.pack.memory_mib;
      result.options.network = build.pack.network;
      result.options.env = build.pack.env;
      result.options.entrypoint = build.pack.entrypoint;
      result.options.cmd = build.pack.cmd;
      const image::MachineSpec machine = image::load_machine_spec(spec);
      result.options.user = machine.user;
      result.options.smolvm = parse_smolvm_setting(machine.smolvm_version);
      result.runtime = build.pack.runtime;
      result.packer = build.packer;
      result.registry_image = build.registry_image;
    } else {
      if (output.empty())
        throw UsageError("--image requires -o FILE",
                         {.where = "bottle-pack create",
                          .hint = "bottle-pack create --image " + image + " -o image.smolmachine"});
      result.plan_directory = image;
      result.output = output;
      result.slug = result.output.stem().native();
      epoch = image::source_date_epoch();
    }
    PackOptions& options = result.options;
    if (!name.empty()) options.image = name;
    if (options.image.empty()) options.image = result.slug + ":latest";
    if (cpus) options.cpus = *cpus;
    if (memory) options.memory_mib = *memory;
    options.network = options.network || network;
    options.env.insert(options.env.end(), env.begin(), env.end());
    if (!entrypoint.empty() || no_entrypoint) options.entrypoint = entrypoint;
    if (!cmd.empty() || no_cmd) options.cmd = cmd;
    if (user) options.user = user;
    if (!smolvm_version.empty()) options.smolvm = parse_smolvm_setting(smolvm_version);
    options.level = level;
    options.epoch = epoch;
    if (!runtime.empty()) result.runtime = runtime;
    if (!packer.empty()) result.packer = packer;
    if (!registry_image.empty()) result.registry_image = registry_image;
    result.threads = threads;
    return result;
  }
};

int create(const CreateOptions& arguments, const CommonOptions& common) {
  PackRequest request = arguments.request();
  if (!common.quiet) request.on_line = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  fs::path store_directory = arguments.store;
  if (store_directory.empty() && !arguments.spec.empty())
    store_directory = image::load_spec(arguments.spec).store;
  store::Store store = store::Store::open(store_directory);
  PackOutcome outcome;
  image::BuildSpec spec;
  if (!arguments.spec.empty()) spec = image::load_spec(arguments.spec);
  spec.directory = request.plan_directory;
  spec.store = store_directory;
  image::with_repair(
      spec, image::OwnImage::is_read, [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
      [&] { outcome = make_pack(request, store); });
  warn_of_takeover(request.output);
  if (!common.quiet) print_warnings(request.slug, outcome.recipe.findings.warnings);
  if (common.json) {
    std::cout << outcome.json(request);
  } else if (arguments.spec.empty() && !common.quiet) {
    fmt::print("{}: {}, {} frames ({} from the store), {}\n", request.output.native(),
               human_size(outcome.recipe.pack_size), outcome.frames.total, outcome.frames.reused,
               outcome.outcome);
    if (request.packer != "native")
      fmt::print(
          "with the parts that smolvm added: for `smolvm pack run` and `smolvm machine create --from`\n");
    else if (outcome.runtime)
      fmt::print(
          "with the agent root filesystem of {}: for `smolvm pack run` and `smolvm machine create --from`\n",
          outcome.runtime->native());
    else
      fmt::print(
          "without an agent root filesystem: for `smolvm machine create --from`, not for `smolvm pack "
          "run`\n");
  }
  if (!arguments.spec.empty()) touch(request.records / "pack.stamp");
  return kSuccess;
}

OrderedJson footer_json(const OpenPack& pack) {
  const Footer& footer = pack.footer;
  return {{"kind", footer.sidecar() ? "sidecar" : "single-file"},
          {"version", footer.version},
          {"size", pack.size},
          {"stubSize", footer.stub_size},
          {"assetsOffset", footer.assets_offset},
          {"assetsSize", footer.assets_size},
          {"manifestOffset", footer.manifest_offset},
          {"manifestSize", footer.manifest_size},
          {"checksum", fmt::format("{:08x}", footer.checksum)}};
}

std::string words(const std::vector<std::string>& list) {
  return Json(list).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_tree(const OpenPack& pack) {
  std::cout << "[\n";
  bool first = true;
  for (const TreeRow& row : tree_of_pack(pack)) {
    std::cout << (first ? "" : ",\n") << tree_row_json(row);
    first = false;
  }
  std::cout << "\n]\n";
}

int inspect(const std::string& file, bool tree, const CommonOptions& common) {
  const OpenPack pack = open_pack(file);
  if (tree) {
    print_tree(pack);
    return kSuccess;
  }
  const Manifest& manifest = pack.manifest;
  if (common.json) {
    OrderedJson json{{"file", pack.name}, {"format", footer_json(pack)}};
    json["manifest"] = OrderedJson::parse(pack.manifest_text);
    std::cout << json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
    return kSuccess;
  }
  fmt::print("{}\n", pack.name);
  fmt::print("Format:     {} version {}, {}, checksum {:08x}\n",
             pack.footer.sidecar() ? "sidecar" : "single file", pack.footer.version, human_size(pack.size),
             pack.footer.checksum);
  fmt::print("Mode:       {}\n", manifest.mode == Manifest::Mode::vm ? "vm" : "container");
  fmt::print("Image:      {}\nDigest:     {}\nPlatform:   {}\n", shown(manifest.image),
             shown(manifest.digest), shown(manifest.platform));
  fmt::print("CPUs:       {}\nMemory:     {} MiB\nNetwork:    {}\n", manifest.cpus, manifest.mem,
             manifest.network ? "yes" : "no");
  if (!manifest.entrypoint.empty()) fmt::print("Entrypoint: {}\n", words(manifest.entrypoint));
  if (!manifest.cmd.empty()) fmt::print("Cmd:        {}\n", words(manifest.cmd));
  if (manifest.workdir) fmt::print("Workdir:    {}\n", shown(*manifest.workdir));
  fmt::print("User:       {}\n", manifest.user ? shown(*manifest.user) : "root (the pack names none)");
  for (const std::string& variable : manifest.env)
    fmt::print("Env:        {}\n", shown(variable));
  if (!manifest.host_platform.empty()) fmt::print("Host:       {}\n", shown(manifest.host_platform));
  fmt::print("Created:    {} by {}\n", shown(manifest.created), shown(manifest.smolvm_version));
  for (const LayerAsset& layer : manifest.layers)
    fmt::print("Layer:      {} ({})\n", shown(layer.path), human_size(layer.size));
  if (manifest.workspace_seed)
    fmt::print("Workspace:  {} ({})\n", shown(manifest.workspace_seed->path),
               human_size(manifest.workspace_seed->size));
  for (const ForeignMember& member : foreign_members(pack.manifest_text))
    fmt::print("{:<11} {}\n", shown(member.pointer) + ":",
               shown(member.value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
  return kSuccess;
}

int verify(const std::string& file, const CommonOptions& common) {
  const OpenPack pack = open_pack(file);
  const VerifyReport report = verify_pack(pack);
  if (!common.quiet) print_warnings(pack.name, report.findings.warnings);
  if (common.json) {
    OrderedJson json{
        {"file", pack.name}, {"ok", true}, {"format", footer_json(pack)}, {"entries", report.entries}};
    json["members"] = OrderedJson::array();
    for (const MemberReport& member : report.members) {
      OrderedJson item{{"path", member.path}, {"type", member.type}, {"size", member.size}};
      if (member.is_archive) item["entries"] = member.entries;
      json["members"].push_back(std::move(item));
    }
    json["warnings"] = report.findings.warnings;
    json["notes"] = report.findings.notes;
    std::cout << json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  } else if (!common.quiet) {
    fmt::print("{}: whole, {} entries in {} layers\n", pack.name, report.entries,
               pack.manifest.layers.size());
    for (const std::string& note : report.findings.notes)
      fmt::print("note: {}\n", note);
  }
  return kSuccess;
}

int extract(const std::string& file, const std::string& directory, const std::string& what, bool force,
            const CommonOptions& common) {
  const OpenPack pack = open_pack(file);
  const ExtractReport report =
      extract_pack(pack, directory, what == "raw" ? ExtractWhat::raw : ExtractWhat::rootfs,
                   force ? Existing::overwrite : Existing::refuse);
  if (!common.quiet && pack.manifest.checkpoint) print_warnings(pack.name, {kCheckpointWarning});
  if (!common.quiet) print_warnings(pack.name, report.findings.warnings);
  if (common.json)
    std::cout << OrderedJson{{"directory", directory},
                             {"entries", report.entries},
                             {"skipped", report.skipped}}
                     .dump(2)
              << "\n";
  return kSuccess;
}

// One side of a comparison: a pack, or a directory, which has no manifest.
struct Operand {
  explicit Operand(const std::string& path) {
    if (!fs::is_directory(path)) pack = open_pack(path);
    tree = pack ? tree_of_pack(*pack) : tree_of_directory(path);
  }
  std::optional<OpenPack> pack;
  std::vector<TreeRow> tree;
};

std::string sides(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? fmt::format(" ({}{})", shown(a), shown(b))
                                : fmt::format(": {} | {}", shown(a), shown(b));
}

int diff(const std::string& a, const std::string& b, Owners owners, Members wanted,
         const CommonOptions& common) {
  const Operand left(a);
  const Operand right(b);
  std::vector<ManifestDifference> members;
  if (left.pack && right.pack) members = compare_manifests(*left.pack, *right.pack, wanted);
  OrderedJson json = OrderedJson::array();
  for (const ManifestDifference& difference : members) {
    const std::string what = difference.a.empty()   ? "only in B"
                             : difference.b.empty() ? "only in A"
                                                    : "value";
    if (common.json)
      json.push_back(
          {{"manifest", difference.member}, {"what", what}, {"a", difference.a}, {"b", difference.b}});
    else if (!common.quiet)
      fmt::print("manifest {}: {}{}\n", shown(difference.member), what, sides(difference.a, difference.b));
  }
  const std::vector<TreeDifference> differences = compare_trees(left.tree, right.tree, owners);
  for (const TreeDifference& difference : differences) {
    if (common.json)
      json.push_back(
          {{"path", difference.path}, {"what", difference.what}, {"a", difference.a}, {"b", difference.b}});
    else if (!common.quiet)
      fmt::print("/{}: {}{}\n", shown(difference.path), difference.what, sides(difference.a, difference.b));
  }
  if (common.json) std::cout << json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  return members.empty() && differences.empty() ? kSuccess : kCheckFound;
}

}  // namespace

int main(int argc, char** argv) {
  tune_heap(1);  // with six threads half the memory; the few large allocations do not contend
  return run_tool("bottle-pack", [&]() -> int {
    CommandLine app("Make and read .smolmachine packs.", "bottle-pack");
    CommonOptions common;
    app.add_common_options(common);
    app.footer("Example: bottle-pack create build/bottles/hello");
    app.require_subcommand();
    CreateOptions options;
    Subcommand create_command = options.add_to(app);

    std::string file;
    std::string other;
    bool tree = false;
    Subcommand inspect_command =
        app.add_subcommand("inspect", "Print the manifest of a pack, reading the end of the file only.")
            .footer("Example: bottle-pack inspect --tree hello.smolmachine");
    inspect_command.add_option("pack", file, "Read the pack FILE").type_name("FILE").required();
    inspect_command.add_flag(
        "--tree", tree, "Print the file tree as JSON: [path, type, mode, uid, gid, size, digest or link]");
    Subcommand verify_command =
        app.add_subcommand("verify", "Check that a pack is complete and that smolvm can use it.")
            .footer("Example: bottle-pack verify hello.smolmachine");
    verify_command.add_option("pack", file, "Check the pack FILE").type_name("FILE").required();

    std::string what = "rootfs";
    bool force = false;
    Subcommand extract_command = app.add_subcommand("extract", "Extract a pack into a directory.")
                                     .footer("Example: bottle-pack extract hello.smolmachine hello-root");
    extract_command.add_option("pack", file, "Extract the pack FILE").type_name("FILE").required();
    extract_command.add_option("directory", other, "Write to DIR").type_name("DIR").required();
    extract_command
        .add_option("--what", what, "Extract the image's tree (rootfs) or the members of the assets (raw)")
        .type_name("PART")
        .one_of({"rootfs", "raw"})
        .show_default();
    extract_command.add_flag("--force", force, "Write into a directory that is not empty");

    tools::RuntimeOptions runtime;
    Subcommand runtime_command = runtime.add_to(app);

    bool no_owner = false;
    Subcommand diff_command =
        app.add_subcommand(
               "diff",
               "Compare the manifests and trees of two packs, or the tree of a pack with a directory.")
            .footer("Example: bottle-pack diff old.smolmachine new.smolmachine");
    diff_command.add_option("a", file, "Compare this pack or directory").type_name("PATH").required();
    diff_command.add_option("b", other, "Compare with this pack or directory").type_name("PATH").required();
    diff_command.add_flag("--no-owner", no_owner, "Ignore owners");
    bool all = false;
    diff_command.add_flag("--all", all, "Compare also time, source and tool of the packs");

    if (const auto status = app.parse(argc, argv)) return *status;
    if (create_command.parsed()) {
      options.take_place();
      return create(options, common);
    }
    if (inspect_command.parsed()) return inspect(file, tree, common);
    if (verify_command.parsed()) return verify(file, common);
    if (extract_command.parsed()) return extract(file, other, what, force, common);
    if (runtime_command.parsed()) return runtime.run(common.json);
    if (diff_command.parsed())
      return diff(file, other, no_owner ? Owners::ignore : Owners::compare,
                  all ? Members::all : Members::machine, common);
    throw UsageError("expected a command");
  });
}
