// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/stages.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

std::optional<int> whole_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '+') text.remove_prefix(1);
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc()) return std::nullopt;
  return value;
}

std::vector<std::string> merged(std::vector<std::string> names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

class Planner {
 public:
  Planner(StagePlan& plan, const Dockerfile& file, const std::set<std::string>& contexts)
      : plan_(plan), file_(file), contexts_(contexts) {
    for (const PlannedStage& stage : plan.stages)
      register_name(stage);
  }

  void plan(const BuildValues& values) {
    for (const StageText& text : file_.stages)
      add_stage(text);
    for (PlannedStage& stage : plan_.stages) {
      check_reference(stage.base, stage.from);
      for (PlannedInstruction& each : stage.instructions)
        resolve(each, stage);
    }
    select_target(values.target);
    check_cycles();
    // The triggers of a base that is a stage are in the file, and they may make further stages needed.
    std::set<int> triggered;
    for (bool changed = true; changed;) {
      changed = false;
      find_needed();
      for (const int number : std::vector<int>(plan_.needed)) {
        PlannedStage& stage = at(number);
        if (stage.base.kind != Origin::Kind::stage || !triggered.insert(number).second) continue;
        std::vector<std::string> expressions;
        for (const PlannedInstruction& each : at(stage.base.stage).instructions) {
          if (const Onbuild* onbuild = each.instruction.as<Onbuild>())
            expressions.push_back(onbuild->expression);
        }
        add_triggers(stage, expressions);
        changed = changed || !expressions.empty();
      }
    }
    finish();
  }

  void add_triggers(PlannedStage& stage, const std::vector<std::string>& expressions) {
    std::vector<PlannedInstruction> triggers;
    for (const std::string& expression : expressions) {
      PlannedInstruction trigger{parse_onbuild(expression, *file_.source, stage.from), {}, true};
      resolve(trigger, stage);
      triggers.push_back(std::move(trigger));
    }
    stage.instructions.insert(stage.instructions.begin(), std::make_move_iterator(triggers.begin()),
                              std::make_move_iterator(triggers.end()));
  }

  void finish() {
    check_cycles();
    find_needed();
  }

 private:
  PlannedStage& at(int number) { return plan_.stages[static_cast<std::size_t>(number)]; }

  [[noreturn]] void fail(const Instruction& at, std::string message, std::string hint = {}) const {
    throw SourceError(*file_.source, at.position, std::move(message), std::move(hint));
  }

  void register_name(const PlannedStage& stage) {
    if (!stage.name.empty()) by_name_[stage.name] = stage.number;
  }

  bool is_context(const std::string& name) const {
    if (equal_fold(name, "scratch") || equal_fold(name, "context")) return false;
    if (contexts_.count(name) > 0) return true;
    const auto familiar = familiar_name(name);
    return familiar && contexts_.count(*familiar) > 0;
  }

  std::string context_name(const std::string& name) const {
    return contexts_.count(name) > 0 ? name : familiar_name(name).value_or(name);
  }

  Origin outside(const std::string& name) const {
    if (name == "scratch") return {Origin::Kind::scratch, -1, {}};
    if (is_context(name)) return {Origin::Kind::named_context, -1, context_name(name)};
    return {Origin::Kind::image, -1, name};
  }

  void add_stage(const StageText& text) {
    const From& from = text.header();
    PlannedStage stage;
    stage.number = static_cast<int>(plan_.stages.size());
    stage.name = from.name;
    stage.from = text.from;
    const Expansion base = global(from.base, text.from);
    if (base.text.empty())
      fail(text.from, "base name (" + from.base + ") should not be blank", unset_hint(base));
    stage.base_name = base.text;
    stage.used_arguments = base.used;
    if (!from.platform.empty()) read_platform(stage, from.platform);
    if (!stage.name.empty() && is_context(stage.name)) {
      stage.base = {Origin::Kind::named_context, -1, context_name(stage.name)};
      stage.replaced = true;
    } else {
      const auto known = by_name_.find(stage.base_name);
      stage.base =
          known != by_name_.end() ? Origin{Origin::Kind::stage, known->second, {}} : outside(stage.base_name);
      for (const Instruction& instruction : text.instructions)
        stage.instructions.push_back({instruction, {}, false});
    }
    register_name(stage);
    plan_.stages.push_back(std::move(stage));
  }

  Expansion global(const std::string& word, const Instruction& at) const {
    try {
      return expand(word, plan_.globals, {.escape = file_.escape()});
    } catch (const WordError& error) {
      fail(at, error.message(), error.hint());
    }
  }

  std::string unset_hint(const Expansion& expansion) const {
    if (expansion.unset.empty()) return "give the argument a value";
    const std::vector<std::string> names = plan_.globals.names();
    const std::string near = nearest(expansion.unset.front(), std::span<const std::string>(names));
    if (!near.empty()) return "did you mean $" + near + "?";
    return "declare ARG " + expansion.unset.front() + " before the first FROM";
  }

  void read_platform(PlannedStage& stage, const std::string& text) const {
    const Expansion platform = global(text, stage.from);
    if (platform.text.empty())
      fail(stage.from, "empty platform value from expression " + text, unset_hint(platform));
    stage.platform = parse_platform(platform.text);
    if (!stage.platform)
      fail(stage.from, "failed to parse platform " + in_quotes(platform.text),
           "write os/architecture, for example linux/arm64");
    stage.used_arguments = merged(stage.used_arguments, platform.used);
  }

  Origin by_word(const std::string& name) const {
    const auto known = by_name_.find(to_lower(name));
    if (known != by_name_.end()) return {Origin::Kind::stage, known->second, {}};
    return outside(name);
  }

  // Also in stages that the target does not need, as in BuildKit.
  void check_reference(const Origin& origin, const Instruction& at) const {
    if (origin.kind != Origin::Kind::image || familiar_name(origin.name)) return;
    const bool has_upper = to_lower(origin.name) != origin.name && familiar_name(to_lower(origin.name));
    fail(at, in_quotes(origin.name) + " is neither a stage nor a valid image name",
         has_upper ? "write image names in lower case: " + to_lower(origin.name)
                   : "write [registry/]name[:tag][@digest]");
  }

  void resolve(PlannedInstruction& planned, const PlannedStage& stage) const {
    planned.origins.clear();
    if (const Copy* copy = planned.instruction.as<Copy>()) {
      planned.origins.push_back(copy->from.empty() ? Origin{}
                                                   : copy_origin(copy->from, planned.instruction, stage));
    } else if (const Run* run = planned.instruction.as<Run>()) {
      for (const Mount& mount : run->mounts)
        planned.origins.push_back(mount.from.empty() ? Origin{} : by_word(mount.from));
    }
    for (const Origin& origin : planned.origins)
      check_reference(origin, planned.instruction);
  }

  Origin copy_origin(const std::string& from, const Instruction& instruction,
                     const PlannedStage& stage) const {
    const std::string hint = "define a stage with FROM " + from + " AS <name> and copy from its name";
    try {
      if (expand(from, {}, {.escape = file_.escape()}).text != from) {
        fail(instruction, "variable expansion is not supported for --from", hint);
      }
    } catch (const WordError& error) {
      fail(instruction, error.message(), hint);
    }
    const auto number = whole_number(from);
    if (!number) return by_word(from);
    if (*number < 0 || static_cast<std::size_t>(*number) >= plan_.stages.size()) {
      fail(instruction, "invalid stage index " + from,
           stage.number == 0
               ? "no stage precedes this one"
               : "use the number of an earlier stage: 0 to " + std::to_string(stage.number - 1));
    }
    return {Origin::Kind::stage, *number, {}};
  }

  void select_target(const std::string& name) {
    plan_.target = static_cast<int>(plan_.stages.size()) - 1;
    if (name.empty()) return;
    if (const auto known = by_name_.find(to_lower(name)); known != by_name_.end()) {
      plan_.target = known->second;
      return;
    }
    if (const auto number = whole_number(name); number && *number >= 0 && *number <= plan_.target) {
      plan_.target = *number;
      return;
    }
    std::vector<std::string> names;
    std::string all;
    for (const auto& [each, unused] : by_name_) {
      names.push_back(each);
      all += (all.empty() ? "the stages are " : ", ") + each;
    }
    const std::string near = nearest(name, std::span<const std::string>(names));
    throw SourceError(*file_.source, {}, "target stage " + in_quotes(name) + " could not be found",
                      near.empty() ? (all.empty() ? "name a stage with FROM <image> AS <name>" : all)
                                   : "did you mean " + near + "?");
  }

  static void for_each_stage(const PlannedStage& stage,
                             const std::function<void(int, const Instruction&)>& visit) {
    for (const PlannedInstruction& each : stage.instructions) {
      for (const Origin& origin : each.origins) {
        if (origin.kind == Origin::Kind::stage) visit(origin.stage, each.instruction);
      }
    }
  }

  // Bases are earlier stages always, so a cycle needs a COPY or a mount.
  void check_cycles() {
    enum class Mark { unseen, open, done };
    std::vector<Mark> marks(plan_.stages.size(), Mark::unseen);
    const std::function<void(int)> visit = [&](int number) {
      Mark& mark = marks[static_cast<std::size_t>(number)];
      mark = Mark::open;
      const auto follow = [&](int next, const Instruction& instruction) {
        const Mark state = marks[static_cast<std::size_t>(next)];
        if (state == Mark::open) {
          const PlannedStage& stage = at(next);
          fail(instruction,
               "circular dependency on stage " + (stage.name.empty() ? std::to_string(next) : stage.name),
               "copy from stages above this one only");
        }
        if (state == Mark::unseen) visit(next);
      };
      for_each_stage(at(number), follow);
      const Origin& base = at(number).base;
      if (base.kind == Origin::Kind::stage && marks[static_cast<std::size_t>(base.stage)] == Mark::unseen)
        visit(base.stage);
      marks[static_cast<std::size_t>(number)] = Mark::done;
    };
    for (const PlannedStage& stage : plan_.stages) {
      if (marks[static_cast<std::size_t>(stage.number)] == Mark::unseen) visit(stage.number);
    }
  }

  void find_needed() {
    std::vector<char> needed(plan_.stages.size(), 0);
    std::vector<int> open{plan_.target};
    while (!open.empty()) {
      const int number = open.back();
      open.pop_back();
      if (needed[static_cast<std::size_t>(number)]) continue;
      needed[static_cast<std::size_t>(number)] = 1;
      const PlannedStage& stage = at(number);
      if (stage.base.kind == Origin::Kind::stage) open.push_back(stage.base.stage);
      for_each_stage(stage, [&](int next, const Instruction& instruction) {
        if (next > number) {
          const PlannedStage& later = at(next);
          fail(instruction,
               "cannot take files from stage " +
                   (later.name.empty() ? std::to_string(next) : in_quotes(later.name)) +
                   ": it needs to be defined before the current stage",
               "move its FROM above line " + std::to_string(stage.from.lines.first));
        }
        open.push_back(next);
      });
    }
    plan_.needed.clear();
    for (std::size_t number = 0; number < needed.size(); ++number) {
      if (needed[number]) plan_.needed.push_back(static_cast<int>(number));
    }
  }

  StagePlan& plan_;
  const Dockerfile& file_;
  const std::set<std::string>& contexts_;
  std::map<std::string, int> by_name_;  // of two stages with one name the later one counts
};

}  // namespace

StagePlan plan_stages(const Dockerfile& file, const BuildValues& values,
                      const std::set<std::string>& contexts) {
  StagePlan plan;
  plan.globals = global_arguments(file, values);
  Planner(plan, file, contexts).plan(values);
  return plan;
}

void add_triggers(StagePlan& plan, const Dockerfile& file, int stage,
                  const std::vector<std::string>& expressions, const std::set<std::string>& contexts) {
  Planner planner(plan, file, contexts);
  planner.add_triggers(plan.stages[static_cast<std::size_t>(stage)], expressions);
  planner.finish();
}

}  // namespace bottle::dockerfile
