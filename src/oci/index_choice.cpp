// SPDX-License-Identifier: Apache-2.0
#include "oci/index_choice.hpp"

#include <algorithm>
#include <utility>

#include "util/error.hpp"

namespace bottle::oci {
namespace {

constexpr int kMaximumNesting = 4;
constexpr std::size_t kMaximumDescriptors = 10'000;

class Walk {
 public:
  Walk(const ReadDocument& read, const std::string& name) : read_(read), name_(name) {}

  std::vector<Descriptor> list(const std::vector<Descriptor>& index, int depth) {
    std::vector<Descriptor> images;
    for (const bool named : {true, false})
      for (const Descriptor& entry : index) {
        if (entry.platform.has_value() != named || !is_candidate(entry)) continue;
        if (is_index_type(entry.media_type)) {
          for (Descriptor& image : list(entries_of(entry, depth), depth + 1))
            images.push_back(std::move(image));
        } else if (auto image = with_platform(entry)) {
          images.push_back(std::move(*image));
        }
      }
    return images;
  }

  std::optional<Descriptor> choose(const std::vector<Descriptor>& index, const Platform& wanted, int depth) {
    // By rank; equals stay in the order of the index.
    std::vector<std::pair<std::size_t, const Descriptor*>> matching;
    for (const Descriptor& entry : index)
      if (entry.platform && is_candidate(entry))
        if (const auto rank = match_rank(*entry.platform, wanted)) matching.emplace_back(*rank, &entry);
    std::stable_sort(matching.begin(), matching.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [rank, entry] : matching) {
      if (!is_index_type(entry->media_type)) return require_digest(*entry, name_);
      if (auto found = choose(entries_of(*entry, depth), wanted, depth + 1)) return found;
    }
    return choose_unnamed(index, wanted, depth);
  }

 private:
  // Among the entries that do not name a platform.
  std::optional<Descriptor> choose_unnamed(const std::vector<Descriptor>& index, const Platform& wanted,
                                           int depth) {
    std::optional<Descriptor> best;
    std::size_t best_rank = 0;
    for (const Descriptor& entry : index) {
      if (entry.platform || !is_candidate(entry)) continue;
      auto image = is_index_type(entry.media_type) ? choose(entries_of(entry, depth), wanted, depth + 1)
                                                   : with_platform(entry);
      if (!image) continue;
      const auto rank = match_rank(*image->platform, wanted);
      if (!rank || (best && best_rank <= *rank)) continue;
      best = std::move(image);
      best_rank = *rank;
    }
    return best;
  }

  bool is_candidate(const Descriptor& entry) {
    if (++seen_ > kMaximumDescriptors)
      throw Error("more than " + std::to_string(kMaximumDescriptors) + " descriptors in the indexes",
                  {.where = name_});
    return !is_attestation(entry) && (is_manifest_type(entry.media_type) || is_index_type(entry.media_type));
  }

  std::vector<Descriptor> entries_of(const Descriptor& index, int depth) const {
    if (depth >= kMaximumNesting)
      throw Error("indexes are nested deeper than " + std::to_string(kMaximumNesting) + " levels",
                  {.where = name_});
    const auto text = read_(require_digest(index, name_));
    if (!text) return {};
    return parse_index(*text, name_ + ": " + index.digest.string());
  }

  // The image with the platform that its configuration says, unless it names one itself.
  std::optional<Descriptor> with_platform(const Descriptor& entry) const {
    if (entry.platform) return entry;
    require_digest(entry, name_);
    const std::string place = name_ + ": " + entry.digest.string();
    const auto text = read_(entry);
    if (!text) return std::nullopt;
    const Manifest manifest = parse_manifest(*text, place);
    if (oci_media_type(manifest.config.media_type) != kConfigType) return std::nullopt;
    const auto config = read_(manifest.config);
    if (!config) return std::nullopt;
    Descriptor image = entry;
    image.platform = parse_config(*config, place + ": configuration").platform;
    return image;
  }

  const ReadDocument& read_;
  const std::string& name_;
  std::size_t seen_ = 0;
};

}  // namespace

bool is_attestation(const Descriptor& descriptor) {
  return descriptor.annotations.contains("vnd.docker.reference.type") ||
         (descriptor.platform && is_unknown(*descriptor.platform));
}

std::vector<Descriptor> list_images(const std::vector<Descriptor>& index, const ReadDocument& read,
                                    const std::string& name) {
  return Walk(read, name).list(index, 0);
}

std::optional<Descriptor> choose_image(const std::vector<Descriptor>& index, const Platform& wanted,
                                       const ReadDocument& read, const std::string& name) {
  return Walk(read, name).choose(index, wanted, 0);
}

std::string platform_names(const std::vector<Descriptor>& images) {
  std::vector<std::string> names;
  for (const Descriptor& image : images)
    if (const std::string name = image.platform->string();
        std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nothing" : text;
}

}  // namespace bottle::oci
