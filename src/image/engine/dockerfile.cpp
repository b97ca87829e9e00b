// SPDX-License-Identifier: Apache-2.0
#include "image/engine/dockerfile.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <vector>

#include "util/error.hpp"

namespace bottle::image::engine {
namespace {

constexpr std::string_view kFrom = "--from=";
constexpr std::string_view kMount = "--mount=";
constexpr std::string_view kOwnContext = "context";

struct Edit {
  dockerfile::Position position;
  std::size_t length;
  std::string text;
};

std::string upper(std::string text) {
  for (char& c : text)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Names for the needed stages that are words and each of them once: a Dockerfile may use one name twice.
std::map<int, std::string> stage_names(const resolve::Resolved& resolved) {
  std::map<int, std::string> names;
  std::set<std::string> taken;
  for (const auto& [number, stage] : resolved.stages) {
    std::string name = stage.name;
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0)
      name = "stage-" + std::to_string(number);
    while (!taken.insert(name).second)
      name += "-" + std::to_string(number);
    names[number] = name;
  }
  return names;
}

class Writer {
 public:
  Writer(const resolve::Resolved& resolved, const OutsideNames& names)
      : resolved_(resolved),
        names_(names),
        stage_names_(stage_names(resolved)),
        source_(resolved.file.source->lines),
        lines_(source_.size()) {}

  std::string write() {
    std::string text;
    for (const std::string& line : source_)
      text += line + "\n";
    const dockerfile::SyntaxTree tree = dockerfile::parse_syntax(text, resolved_.file.source->name);
    const auto& directives = tree.directives;
    for (const auto& directive : {directives.syntax, directives.check, directives.escape})
      if (directive) copy_lines({directive->line, directive->line});
    int number = -1;
    const resolve::ResolvedStage* stage = nullptr;
    for (const dockerfile::Node& node : tree.nodes) {
      if (upper(node.keyword) == "FROM") {
        ++number;
        const auto found = resolved_.stages.find(number);
        stage = found == resolved_.stages.end() ? nullptr : &found->second;
        if (stage != nullptr) write_from(node, number, *stage);
      } else if (number < 0) {
        copy_lines(node.lines);
      } else if (stage != nullptr && stage->lines.size() > 1) {  // else a context stands for all of it
        copy_lines(node.lines);
        edit(node, *stage);
      }
    }
    std::string result;
    for (const std::string& line : lines_)
      result += line + "\n";
    return result;
  }

 private:
  [[noreturn]] void fail(const dockerfile::Position& position, const std::string& message,
                         const std::string& hint) const {
    throw dockerfile::SourceError(*resolved_.file.source, position, message, hint);
  }

  std::string& line(int number) { return lines_.at(static_cast<std::size_t>(number) - 1); }

  void copy_lines(const dockerfile::LineRange& range) {
    for (int number = range.first; number <= range.last; ++number)
      line(number) = source_.at(static_cast<std::size_t>(number) - 1);
  }

  void write_from(const dockerfile::Node& node, int number, const resolve::ResolvedStage& stage) {
    const std::string base = stage.base_stage >= 0      ? stage_names_.at(stage.base_stage)
                             : stage.base_image.empty() ? "scratch"
                                                        : names_.images.at(stage.base_image);
    line(node.lines.first) = "FROM " + base + " AS " + stage_names_.at(number);
    for (const resolve::FileStep& step : stage.steps) {
      const auto* copy = step.as<resolve::CopyStep>();
      if (step.position.line != node.position().line || copy == nullptr) continue;
      if (reference(copy->source))
        fail(step.position, "a trigger of the base copies from \"" + name_of(copy->source) + "\"",
             "ENGINE " + resolved_.spec.engine + " supports only triggers that copy from the context");
    }
  }

  std::string name_of(const FileSource& source) const {
    if (const auto* stage = std::get_if<StageFiles>(&source)) return resolved_.stages.at(stage->stage).name;
    if (const auto* image = std::get_if<ImageFiles>(&source)) return image->image;
    return std::get<ContextFiles>(source).context;
  }

  // nullopt: the main context, which needs no name.
  std::optional<std::string> reference(const FileSource& source) const {
    if (const auto* stage = std::get_if<StageFiles>(&source)) return stage_names_.at(stage->stage);
    if (const auto* image = std::get_if<ImageFiles>(&source)) return names_.images.at(image->image);
    const std::string& context = std::get<ContextFiles>(source).context;
    if (context == kOwnContext) return std::nullopt;
    const auto found = names_.scans.find(context);
    return found == names_.scans.end() ? std::nullopt : std::optional<std::string>(found->second);
  }

  void edit(const dockerfile::Node& node, const resolve::ResolvedStage& stage) {
    std::vector<Edit> edits;
    for (const resolve::FileStep& step : stage.steps) {
      if (step.position != node.position()) continue;
      if (const auto* copy = step.as<resolve::CopyStep>()) {
        if (const auto name = reference(copy->source))
          for (const dockerfile::Flag& flag : node.flags)
            if (flag.text.starts_with(kFrom))
              edits.push_back({flag.position, flag.text.size(), std::string(kFrom) + *name});
      } else if (const auto* run = step.as<resolve::RunStep>()) {
        edit_mounts(node, run->request.mounts, edits);
      }
    }
    std::sort(edits.begin(), edits.end(),
              [](const Edit& a, const Edit& b) { return b.position < a.position; });
    for (const Edit& item : edits)
      line(item.position.line)
          .replace(static_cast<std::size_t>(item.position.column) - 1, item.length, item.text);
  }

  void edit_mounts(const dockerfile::Node& node, const std::vector<run::RunMount>& mounts,
                   std::vector<Edit>& edits) {
    std::size_t number = 0;
    for (const dockerfile::Flag& flag : node.flags) {
      if (!flag.text.starts_with(kMount) || number >= mounts.size()) continue;
      const run::RunMount& mount = mounts[number++];
      const auto name = mount.from ? reference(*mount.from) : std::nullopt;
      if (!name) continue;
      for (std::size_t at = kMount.size(); at < flag.text.size();) {
        const std::size_t end = std::min(flag.text.find(',', at), flag.text.size());
        if (flag.text.compare(at, 5, "from=") == 0)
          edits.push_back({flag.position, flag.text.size(),
                           flag.text.substr(0, at) + "from=" + *name + flag.text.substr(end)});
        at = end + 1;
      }
    }
    for (const Edit& item : edits) {
      const std::string& text = line(item.position.line);
      const auto at = static_cast<std::size_t>(item.position.column) - 1;
      if (text.compare(at, 2, "--") != 0 || text.find_first_of("\"'", at) < at + item.length)
        fail(item.position, "quotes in --mount are not supported by this engine",
             "remove the quotes, or use ENGINE builtin");
    }
  }

  const resolve::Resolved& resolved_;
  const OutsideNames& names_;
  std::map<int, std::string> stage_names_;
  const std::vector<std::string>& source_;
  std::vector<std::string> lines_;
};

}  // namespace

OutsideNames outside_names(const resolve::Resolved& resolved) {
  OutsideNames names;
  const auto add = [&](const FileSource& source) {
    if (const auto* image = std::get_if<ImageFiles>(&source)) names.images[image->image];
    if (const auto* files = std::get_if<ContextFiles>(&source); files && files->context != kOwnContext)
      names.scans[files->context];
  };
  for (const auto& [number, stage] : resolved.stages) {
    if (stage.base_stage < 0 && !stage.base_image.empty()) names.images[stage.base_image];
    for (const resolve::FileStep& step : stage.steps) {
      // The engine would fetch what it finds, not what the lock says.
      if (const auto* copy = step.as<resolve::CopyStep>(); copy != nullptr && !copy->remotes.empty())
        throw dockerfile::SourceError(
            *resolved.file.source, step.position,
            "ADD from a URL or a git repository is not supported by ENGINE " + resolved.spec.engine,
            "use ENGINE builtin, or ADD a file of the context");
      for (const FileSource* source : step.sources())
        add(*source);
    }
  }
  return names;
}

std::string engine_dockerfile(const resolve::Resolved& resolved, const OutsideNames& names) {
  return Writer(resolved, names).write();
}

}  // namespace bottle::image::engine
