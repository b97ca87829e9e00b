// The key text of an image: every input as a sorted, readable line (docs/formats/key.md).
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <set>

#include "image/engine.hpp"
#include "image/resolve.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

constexpr const char* kSchema = "bottle-image 1";

std::string value_of(const oci::Entry& entry) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%o", static_cast<unsigned>(entry.mode));
  std::string value;
  switch (entry.type) {
    case oci::EntryType::file:
      value = std::string("f ") + mode + " " + std::to_string(entry.size) + " " + entry.digest.hex();
      break;
    case oci::EntryType::directory:
      value = std::string("d ") + mode;
      break;
    case oci::EntryType::symlink:
      value = "l " + escape_word(entry.link);
      break;
    default:
      value = std::string("s ") + mode + " " + std::to_string(entry.device_major) + ":" +
              std::to_string(entry.device_minor);
  }
  for (const auto& [name, content] : entry.xattrs)
    value += " " + escape_word(name) + "=" + escape_word(content);
  return value;
}

}  // namespace

std::string Resolved::key_text() const {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& subject, const std::string& value) {
    lines.push_back(subject + " = " + value + "\n");
  };
  // In this order they are sorted already, unless escapes or many instructions make a difference.
  add("engine", spec_.engine + (spec_.engine_version.empty() ? "" : " " + escape_word(spec_.engine_version)));
  if (!is_builtin(spec_)) {
    for (std::size_t i = 0; i < spec_.engine_options.size(); ++i)
      add("engine option " + std::to_string(i), escape_word(spec_.engine_options[i]));
    if (const auto& syntax = file_.directives.syntax) add("engine syntax", escape_word(syntax->value));
  }
  add("epoch", std::to_string(epoch_));
  for (const auto& [name, open] : scans_) {
    const std::string subject = "input " + escape_word(name) + " ";
    open.scan->for_each_entry(
        [&](const oci::Entry& entry) { add(subject + escape_word(entry.path), value_of(entry)); });
  }
  for (const auto& [name, value] : spec_.labels)
    add("label " + escape_word(name), escape_word(value));
  add("platform", values_.target_platform.string());
  add("schema", kSchema);
  for (const auto& [name, image] : images_)
    add("source " + escape_word(name), image->identity());

  // Of a stage that files are only copied from, its configuration is no input, only what makes its layers.
  std::set<int> chain;
  for (int number = plan_.target; number >= 0; number = stages_.at(number).base_stage)
    chain.insert(number);
  int ordinal = 0;
  for (const auto& [number, stage] : stages_) {
    for (const ResolvedStage::Line& line : stage.lines) {
      const bool is_from = &line == &stage.lines.front();
      if (!line.makes_layer && !is_from && !chain.contains(number)) continue;
      ++ordinal;
      std::string digits = std::to_string(ordinal);
      if (digits.size() < 3) digits.insert(0, 3 - digits.size(), '0');
      std::string text;
      for (const char c : line.text)
        text += c == '\n' ? std::string("\\n") : std::string(1, c);
      add("step " + digits + " " + escape_word(stage.name), text);
    }
  }
  add("tool", "bottle " BOTTLE_VERSION);
  if (!std::is_sorted(lines.begin(), lines.end())) std::sort(lines.begin(), lines.end());
  std::string text;
  text.reserve(std::accumulate(lines.begin(), lines.end(), std::size_t{0},
                               [](std::size_t size, const std::string& line) { return size + line.size(); }));
  for (const std::string& line : lines)
    text += line;
  return text;
}

}  // namespace bottle::image
