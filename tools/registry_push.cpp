// SPDX-License-Identifier: Apache-2.0
#include "registry_push.hpp"

#include <fmt/format.h>

#include <optional>

#include "image/build_steps.hpp"
#include "image/model/plan.hpp"
#include "pack/artifact.hpp"
#include "registry/blob_sources.hpp"
#include "registry/sources.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

namespace bottle::tools {

using oci::Reference;

namespace {

// Of the one image manifest that goes into an index.
oci::Platform platform_of(const registry::PushSource& source) {
  if (oci::is_index_type(source.root().descriptor.media_type))
    throw Error("--index requires an image, found an index");
  const oci::Manifest manifest = oci::parse_manifest(source.root().bytes, "manifest");
  for (const registry::BlobToPush& blob : source.blobs)
    if (blob.descriptor.digest == manifest.config.digest && blob.content.open &&
        blob.descriptor.size <= oci::kMaximumConfig) {
      const oci::FileRange file = blob.content.open();
      std::string text(static_cast<std::size_t>(file.size), '\0');
      text.resize(
          pread_some(file.file->get(), std::as_writable_bytes(std::span(text)), file.offset, file.name));
      return oci::parse_config(text, file.name).platform;
    }
  throw Error("--index requires an image with a configuration");
}

void say(const registry::PushReport& report) {
  std::size_t uploaded = 0;
  std::size_t mounted = 0;
  for (const registry::PushedBlob& blob : report.blobs) {
    uploaded += blob.outcome == registry::BlobOutcome::uploaded ? 1u : 0u;
    mounted += blob.outcome == registry::BlobOutcome::mounted ? 1u : 0u;
  }
  if (report.unchanged)
    fmt::print("{}: {} exists already; nothing was sent\n", report.reference.string(),
               report.root.digest.string());
  else
    fmt::print("{}: {}, {} blobs uploaded ({}), {} mounted, {} present\n", report.reference.string(),
               report.root.digest.string(), uploaded, human_size(report.bytes_sent), mounted,
               report.blobs.size() - uploaded - mounted);
}

}  // namespace

Subcommand PushCommand::add_to(Subcommand app) {
  Subcommand command =
      app.add_subcommand("push", "Upload an image, a pack or another artifact to registries.")
          .footer("Example: bottle-registry push registry.example/team/app:1.0 --image build/bottles/app");
  command.when_chosen([this, command] {
    command.add_option("references", references, "Push to REF").type_name("REF").required();
    command.add_option("--layout", layout, "Push from the image layout DIR, or from a tar of one")
        .type_name("DIR");
    command
        .add_option("--image", image, "Push the image in the bottle's build directory DIR (with image.json)")
        .type_name("DIR");
    command.add_option("--pack", pack, "Push the pack FILE").type_name("FILE");
    command.add_option("--name", name, "Choose the image of the layout by its name or digest")
        .type_name("NAME");
    command.add_option("--compression", compression, "Compress new layers with METHOD")
        .type_name("METHOD")
        .one_of({"gzip", "zstd", "none"})
        .show_default();
    command.add_option("--level", level, "Compress with level N (default: gzip 6, zstd 3)").type_name("N");
    command.add_flag("--index", index, "Add the image to the index at the tag, beside other platforms");
    command
        .add_option("--mount-from", mount_from, "Mount existing blobs from REPOSITORY of the same registry")
        .type_name("REPOSITORY");
    command.add_option("--chunk-size", chunk_size, "Upload blobs in chunks of SIZE (default: in one piece)")
        .type_name("SIZE");
    command.add_option("--result", result, "Write push.json to FILE").type_name("FILE");
    command.add_option("--stamp", stamp, "Record the push in FILE, and skip it the next time")
        .type_name("FILE");
    command.add_flag("--verify-remote", verify_remote, "Ask the registry even if the stamp records the push")
        .needs("--stamp");
    command.add_option("--store", store, "Use the store in DIR").type_name("DIR");
    connection.add_to(command);
  });
  return command;
}

int PushCommand::run(const CommonOptions& common) {
  if ((layout.empty() ? 0 : 1) + (image.empty() ? 0 : 1) + (pack.empty() ? 0 : 1) != 1)
    throw UsageError("push: expected one of --layout, --image and --pack");
  if (!mount_from.empty() && !oci::is_repository(mount_from))
    throw UsageError("--mount-from: expected a repository, found \"" + mount_from + '"');
  if (!chunk_size.empty()) {
    const auto size = parse_size(chunk_size);
    if (!size || *size == 0) throw UsageError("--chunk-size: expected a size, found \"" + chunk_size + '"');
    connection.options.chunk_size = *size;
  }
  std::vector<Reference> targets;
  for (const std::string& text : references)
    targets.push_back(Reference::parse(text));
  std::optional<store::Store> open_store;
  if (layout.empty()) open_store = store::Store::open(store);
  registry::PushSource source;
  registry::PushOptions options;
  options.into_index = index;
  std::vector<pack::PackArtifact> packs;  // one for each target, whose name is in its manifest
  std::string content;
  if (!image.empty()) {
    const fs::path spec_file = fs::path(image) / "spec.json";
    image::BuildSpec spec;
    if (fs::exists(spec_file)) spec = image::load_spec(spec_file);
    spec.directory = image;
    spec.store = store;
    bool is_done = false;
    image::with_repair(
        spec, image::OwnImage::is_read, [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
        [&] {
          content = image::load_plan(image).plan.digest().string();
          is_done = is_stamped(stamp_text(targets, content));
          if (is_done) return;
          image::DistributeReport made = image::distribute(image, *open_store, distribute_options());
          source = std::move(made.source);
          options.platform = made.platform;
        });
    if (is_done) return say_stamped(common);
  } else if (!layout.empty()) {
    source = registry::layout_source(layout, name);
    content = source.root().descriptor.digest.string();
    if (index) options.platform = platform_of(source);
  } else {
    for (const Reference& target : targets) {
      packs.push_back(pack::pack_artifact(pack, target, *open_store));
      content += (content.empty() ? "" : " ") + packs.back().source.root().descriptor.digest.string();
    }
  }
  const std::string stamped = stamp_text(targets, content);
  if (is_stamped(stamped)) return say_stamped(common);
  const registry::Client client = connection.client(common.quiet ? "" : "pushing");
  OrderedJson document{{"bytesSent", 0}, {"milliseconds", 0}, {"pushes", OrderedJson::array()}};
  std::uint64_t sent = 0;
  std::uint64_t milliseconds = 0;
  std::vector<Reference> done;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Reference& target = targets[i];
    registry::PushReport report;
    if (!pack.empty()) {
      packs[i].options.mount_from = mount_source(target, done);
      report = registry::push(client, packs[i].source, target, packs[i].options);
    } else {
      options.mount_from = mount_source(target, done);
      report = registry::push(client, source, target, options);
    }
    done.push_back(target);
    // The next image made of these layers mounts them from here.
    if (!image.empty())
      for (const registry::BlobToPush& blob : source.blobs)
        if (blob.sources) registry::note_blob_source(*open_store, blob.descriptor.digest, target);
    sent += report.bytes_sent;
    milliseconds += report.milliseconds;
    if (!common.quiet && !common.json) say(report);
    document["pushes"].push_back(report.json());
  }
  document["bytesSent"] = sent;
  document["milliseconds"] = milliseconds;
  if (!result.empty()) {
    make_directories(fs::absolute(result).parent_path());
    write_file(result, document.dump(1) + "\n");
  }
  // After the result: a stamp without one counts for nothing.
  if (!stamp.empty()) {
    make_directories(fs::absolute(stamp).parent_path());
    write_file(stamp, stamped);
  }
  if (common.json) print(document);
  return kSuccess;
}

image::DistributeOptions PushCommand::distribute_options() const {
  image::DistributeOptions options;
  options.compression = compression == "gzip"   ? oci::Compression::gzip
                        : compression == "zstd" ? oci::Compression::zstd
                                                : oci::Compression::none;
  options.level = level != 0 ? level : oci::default_level(options.compression);
  if (!oci::is_level(options.compression, options.level))
    throw UsageError("--level: invalid level " + std::to_string(options.level) + " of " + compression);
  options.threads = default_threads();
  return options;
}

std::string PushCommand::mount_source(const Reference& target, const std::vector<Reference>& done) const {
  if (!mount_from.empty()) return mount_from;
  for (const Reference& other : done)
    if (other.registry == target.registry && other.repository != target.repository) return other.repository;
  return {};
}

std::string PushCommand::stamp_text(const std::vector<Reference>& targets, const std::string& content) const {
  std::string text = "schema = bottle-push 1\ncontent = " + content + "\n";
  if (!image.empty()) text += "compression = " + compression + " " + std::to_string(level) + "\n";
  text += std::string("index = ") + (index ? "yes" : "no") + "\n";
  for (const Reference& target : targets)
    text += "target = " + target.string() + "\n";
  return text;
}

bool PushCommand::is_stamped(const std::string& text) const {
  constexpr std::uint64_t kLimit = 1u << 20;
  return !stamp.empty() && !verify_remote && read_file_if_exists(stamp, kLimit) == text &&
         (result.empty() || fs::exists(result));
}

int PushCommand::say_stamped(const CommonOptions& common) const {
  if (!result.empty()) touch(result);  // for who compares times
  if (common.json)
    print({{"bytesSent", 0}, {"milliseconds", 0}, {"pushes", OrderedJson::array()}, {"stamped", true}});
  else if (!common.quiet)
    fmt::print("{} records this push, so nothing was sent; --verify-remote asks the registry\n", stamp);
  return kSuccess;
}

}  // namespace bottle::tools
