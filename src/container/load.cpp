// SPDX-License-Identifier: Apache-2.0
#include "container/load.hpp"

#include <algorithm>

#include "oci/tar_writer.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::container {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

void write_member(const std::string& path, std::uint64_t size, const oci::Source& content,
                  const oci::Sink& sink) {
  oci::Entry entry;
  entry.path = path;
  entry.mode = 0644;
  entry.size = size;
  sink(bytes_of(oci::tar_header(entry, oci::TarStyle::layer)));
  std::vector<std::byte> buffer(256u << 10);
  std::uint64_t left = size;
  while (left > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    const std::size_t count = content(std::span(buffer).first(wanted));
    if (count == 0) throw Error("the layer ends too early", {.where = path});
    sink(std::span<const std::byte>(buffer).first(count));
    left -= count;
  }
  sink(bytes_of(oci::tar_padding(size)));
}

void write_text(const std::string& path, const std::string& text, const oci::Sink& sink) {
  write_member(path, text.size(), oci::memory_source(bytes_of(text)), sink);
}

// How many of the image's first layers the daemon has: it keeps layers by what lies below them too.
std::size_t layers_there(const oci::ImageSource& image, const Client& client) {
  const CommandStatus list =
      client.command({"image", "ls", "--all", "--quiet", "--no-trunc"}, "image ls", OnFailure::status);
  if (!list.ok() || list.output.empty()) return 0;
  std::vector<std::string> words{"image", "inspect", "--format", "{{json .RootFS.Layers}}"};
  for (const std::string_view id : split(list.output, '\n'))
    words.emplace_back(id);
  // One that went away in the meantime makes the command fail, and still the others are listed.
  const CommandStatus inspected = client.command(std::move(words), "image inspect", OnFailure::status);
  std::size_t most = 0;
  for (const std::string_view line : split(inspected.output, '\n')) {
    const Json layers = Json::parse(line, nullptr, false);
    if (!layers.is_array()) continue;
    std::size_t count = 0;
    while (count < layers.size() && count < image.layers.size() &&
           layers[count] == image.layers[count].diff_id.string())
      ++count;
    most = std::max(most, count);
  }
  return most;
}

}  // namespace

void write_docker_archive(const oci::ImageSource& image, const std::string& name, std::size_t skipped,
                          const store::Store& store, const oci::Sink& sink) {
  const std::string config = image.config_digest.hex() + ".json";
  Json layers = Json::array();
  write_text(config, image.config, sink);
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const oci::SourceLayer& layer = image.layers[i];
    const std::string path = layer.diff_id.hex() + ".tar";
    const bool is_repeated = std::find(layers.begin(), layers.end(), path) != layers.end();
    layers.push_back(path);
    if (i < skipped || is_repeated) continue;
    const auto plain = store.find_blob(layer.diff_id);
    if (plain && layer.digest != layer.diff_id) {
      const Fd file = open_for_reading(*plain);
      write_member(path, static_cast<std::uint64_t>(stat_of(file.get(), plain->native()).st_size),
                   oci::file_source(file.get(), plain->native()), sink);
    } else {
      write_member(path, layer.blob.size, layer.blob.source(), sink);
    }
  }
  write_text(
      "manifest.json",
      Json::array({Json{{"Config", config}, {"RepoTags", Json::array({name})}, {"Layers", layers}}}).dump(),
      sink);
  sink(bytes_of(oci::tar_end()));
}

LoadReport load_layout(const fs::path& layout, const std::optional<oci::Platform>& platform,
                       const std::string& name, const Client& client, const store::Store& store) {
  const oci::ImageSource image = oci::open_layout(layout, {.reference = {}, .platform = platform});
  LoadReport loaded{
      .image_id = image.config_digest.string(), .layers = image.layers.size(), .transferred = 0};
  if (client.image_id(loaded.image_id, OnFailure::status)) {
    client.tag(loaded.image_id, name, OnFailure::fatal);
    return loaded;
  }
  std::size_t skipped = client.program() == "docker" ? layers_there(image, client) : 0;
  for (;;) {
    const ProcessResult finished = run_fed(
        {client.program(), "load"},
        [&](const oci::Sink& sink) { write_docker_archive(image, name, skipped, store, sink); },
        client.environment());
    loaded.transferred = image.layers.size() - skipped;
    if (finished.status.success()) return loaded;
    // A daemon that keeps layers otherwise, or an image that went away: again with all of them.
    if (skipped == 0)
      throw Error("the image cannot be loaded: " + last_line(finished.output),
                  {.where = client.program() + " load",
                   .hint = "check that the daemon runs, and that its disk has free space"});
    skipped = 0;
  }
}

}  // namespace bottle::container
