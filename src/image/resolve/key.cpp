// SPDX-License-Identifier: Apache-2.0
// The key text of an image: every input as a sorted, readable line (docs/formats/key.md).
#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "image/resolve/resolved.hpp"
#include "run/isolation.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

constexpr const char* kSchema = "bottle-image 3";

void append_value(std::string& text, const oci::Entry& entry) {
  const auto append_mode = [&](char type) {
    text += type;
    text += ' ';
    append_number(text, static_cast<unsigned>(entry.mode), 8);
  };
  switch (entry.type) {
    case oci::EntryType::file:
      append_mode('f');
      text += ' ';
      append_number(text, entry.size);
      text += ' ';
      entry.digest.append_hex(text);
      break;
    case oci::EntryType::directory:
      append_mode('d');
      break;
    case oci::EntryType::symlink:
      text += "l " + escape_word(entry.link);
      break;
    default:
      append_mode('s');
      text += " " + std::to_string(entry.device_major) + ":" + std::to_string(entry.device_minor);
  }
  for (const auto& [name, content] : entry.xattrs)
    text += " " + escape_word(name) + "=" + escape_word(content);
}

// Lines that are mostly in order as they come.
class Lines {
 public:
  // The line's text, to be appended to; up to the next begin() or add().
  std::string& begin() {
    begins_.push_back(text_.size());
    return text_;
  }
  void add(const std::string& subject, const std::string& value) {
    begin() += subject;
    text_ += " = ";
    text_ += value;
    text_ += '\n';
  }
  std::string sorted() {
    std::vector<std::string_view> lines;
    lines.reserve(begins_.size());
    for (std::size_t i = 0; i < begins_.size(); ++i) {
      const std::size_t end = i + 1 < begins_.size() ? begins_[i + 1] : text_.size();
      lines.push_back(std::string_view(text_).substr(begins_[i], end - begins_[i]));
    }
    if (std::is_sorted(lines.begin(), lines.end())) return std::move(text_);
    std::sort(lines.begin(), lines.end());
    std::string text;
    text.reserve(text_.size());
    for (const std::string_view line : lines)
      text += line;
    return text;
  }

 private:
  std::string text_;
  std::vector<std::size_t> begins_;
};

enum class With { digests, places };

// Of an image whose files are here and that no stage begins with, only what is taken of it counts. nullopt:
// all of it does.
std::optional<Digest> taken(const Resolved& resolved, const std::string& name, const OutsideImage& image,
                            With with) {
  try {
    const LoadedPlan* plan = image.plan();
    const auto is_it = [&](const FileSource& source) {
      const auto* files = std::get_if<ImageFiles>(&source);
      return files != nullptr && files->image == name;
    };
    if (plan == nullptr || !is_builtin(resolved.spec)) return std::nullopt;
    for (const auto& [number, stage] : resolved.stages)
      if (stage.base_image == name) return std::nullopt;
    const oci::MergedTree tree = plan->merged();
    Sha256 hasher;
    const auto add = [&](const Digest& digest) { hasher.update(digest.hex() + "\n"); };
    for (const auto& [number, stage] : resolved.stages)
      for (const FileStep& step : stage.steps) {
        if (const auto* copy = step.as<CopyStep>(); copy != nullptr && is_it(copy->source)) {
          const oci::LayerIndex entries = copy->taken_of(tree);
          add(with == With::places ? entries.digest_with_places() : entries.digest());
        }
        const auto* run = step.as<RunStep>();
        if (run == nullptr) continue;
        for (const run::RunMount& mount : run->request.mounts) {
          if (!mount.from || !is_it(*mount.from)) continue;
          // A cache begins as all of it.
          if (mount.mount.type != dockerfile::Mount::Type::bind) return std::nullopt;
          add(copy::subtree_digest(tree, mount.source));
        }
      }
    return hasher.finish();
  } catch (const Error&) {
    return std::nullopt;  // the instruction that takes something says what is wrong, and where
  }
}

std::string source_text(const Resolved& resolved, const std::string& name, const OutsideImage& image) {
  const auto only = taken(resolved, name, image, With::digests);
  return only ? "taken " + only->string() : image.identity();
}

}  // namespace

std::string places(const Resolved& resolved) {
  std::string text;
  for (const auto& [name, image] : resolved.images) {
    std::string places = image->places();
    if (places.empty()) continue;
    if (const auto only = taken(resolved, name, *image, With::places)) places = only->hex();
    text += escape_word(name) + " " + places + "\n";
  }
  return text.empty() ? text : sha256(text).hex();
}

bool has_run(const Resolved& resolved) {
  for (const auto& [number, stage] : resolved.stages)
    for (const FileStep& step : stage.steps)
      if (step.as<RunStep>() != nullptr) return true;
  return false;
}

std::string key_text(const Resolved& resolved) {
  Lines lines;
  const auto add = [&](const std::string& subject, const std::string& value) { lines.add(subject, value); };
  // In this order they are sorted already, unless escapes or many instructions make a difference.
  add("engine",
      resolved.spec.engine +
          (resolved.spec.engine_version.empty() ? "" : " " + escape_word(resolved.spec.engine_version)));
  if (!is_builtin(resolved.spec)) {
    for (std::size_t i = 0; i < resolved.spec.engine_options.size(); ++i)
      add("engine option " + std::to_string(i), escape_word(resolved.spec.engine_options[i]));
    if (const auto& syntax = resolved.file.directives.syntax)
      add("engine syntax", escape_word(syntax->value));
  }
  add("epoch", std::to_string(resolved.epoch));
  for (const auto& [name, open] : resolved.scans) {
    const std::string subject = "input " + escape_word(name) + " ";
    open.scan->for_each_entry([&](const oci::Entry& entry) {
      std::string& line = lines.begin();
      line += subject;
      line += escape_word(entry.path);
      line += " = ";
      append_value(line, entry);
      line += '\n';
    });
  }
  // The other grades of isolation give one result.
  const std::string& isolation = resolved.spec.isolation;
  if (is_builtin(resolved.spec) && isolation == run::to_string(run::Grade::chroot) && has_run(resolved))
    add("isolation", isolation);
  for (const auto& [name, value] : resolved.spec.labels)
    add("label " + escape_word(name), escape_word(value));
  add("platform", resolved.values.target_platform.string());
  add("schema", kSchema);
  for (const auto& [name, image] : resolved.images)
    add("source " + escape_word(name), source_text(resolved, name, *image));

  // Of a stage that files are only copied from, its configuration is not an input, only what makes its
  // layers.
  std::set<int> chain;
  for (int number = resolved.plan.target; number >= 0; number = resolved.stages.at(number).base_stage)
    chain.insert(number);
  int ordinal = 0;
  for (const auto& [number, stage] : resolved.stages) {
    for (const ResolvedStage::Line& line : stage.lines) {
      const bool is_from = &line == &stage.lines.front();
      if (!line.makes_layer && !is_from && !chain.contains(number)) continue;
      ++ordinal;
      std::string digits = std::to_string(ordinal);
      if (digits.size() < 3) digits.insert(0, 3 - digits.size(), '0');
      std::string text;
      for (const char c : line.text)
        text += c == '\n' ? std::string("\\n") : std::string(1, c);
      add("step " + digits + " " + stage.number, text);
    }
  }
  add("tool", "bottle " BOTTLE_VERSION);
  return lines.sorted();
}

}  // namespace bottle::image::resolve
