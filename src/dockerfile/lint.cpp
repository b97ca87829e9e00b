// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/lint.hpp"

#include <algorithm>
#include <map>

#include "dockerfile/git_source.hpp"
#include "dockerfile/lint_syntax.hpp"
#include "dockerfile/ports.hpp"
#include "dockerfile/text.hpp"
#include "util/path.hpp"

namespace bottle::dockerfile {
namespace {

std::string with_guess(const std::string& message, const std::string& near) {
  return near.empty() ? message : message + " (did you mean " + near + "?)";
}

// A word of the name, between underscores, says that the value is a secret, and none says that it is not.
bool names_secret(std::string_view key) {
  static const std::set<std::string> kSecret{"apikey", "auth",     "credential", "credentials", "key",
                                             "passwd", "password", "pword",      "secret",      "token"};
  static const std::set<std::string> kHarmless{"public", "file", "version"};
  bool secret = false;
  for (const std::string& word : split(to_lower(key), '_')) {
    if (kHarmless.count(word) > 0) return false;
    secret = secret || kSecret.count(word) > 0;
  }
  return secret;
}

class Linter {
 public:
  Linter(const Dockerfile& file, const BuildValues& values, const LintFacts& facts)
      : file_(file), values_(values), facts_(facts), warnings_(*file.source) {}

  LintReport run() {
    try {
      read_options();
      lint_syntax(file_, options_, warnings_);
      lint_stage_names(file_, options_, warnings_);
      lint_casing(file_, options_, warnings_);
      check_default_bases();
      check_stages();
    } catch (const SourceError& error) {
      report_.error = error;
    }
    return finished();
  }

  // BuildKit looks at these while it parses, so they come although an instruction is wrong, of that one too.
  LintReport run_partial(const PartialDockerfile& partial) {
    try {
      read_options();
      lint_syntax(file_, options_, warnings_);
      if (partial.wrong) lint_wrong(*partial.wrong, options_, warnings_);
      report_.error = partial.error;
    } catch (const SourceError& error) {
      report_.error = error;
    }
    return finished();
  }

 private:
  LintReport finished() {
    report_.warnings_are_errors = options_.error;
    report_.warnings = warnings_.sorted();
    return std::move(report_);
  }

  // The state of a stage that rules look at; a stage on another stage starts with a part of that one's.
  struct State {
    Scope scope;
    std::vector<std::string> shell;
    bool workdir_set = false;
    bool environment_known = true;
    const Instruction* cmd = nullptr;
    const Instruction* entrypoint = nullptr;
    const Instruction* healthcheck = nullptr;
  };

  void warn(const LintOptions& options, std::string_view rule, const Instruction& at, std::string message,
            std::string_view word = {}) {
    warnings_.add(options, rule, at, std::move(message), word);
  }

  Position place_of_variable(const Instruction& at, const std::string& name) const {
    const Position plain = place_of(*file_.source, at, "$" + name);
    return plain == at.position ? place_of(*file_.source, at, "${" + name) : plain;
  }

  void read_options() {
    if (facts_.options) {
      options_ = *facts_.options;
      return;
    }
    const auto& check = file_.directives.check;
    if (!check) return;
    const auto options = parse_lint_options(check->value);
    if (!options) {
      throw SourceError(*file_.source, {check->line, 1}, "invalid check option in " + in_quotes(check->value),
                        "write for example # check=skip=JSONArgsRecommended;error=true");
    }
    options_ = *options;
  }

  // Would the bases be valid without build arguments?
  void check_default_bases() {
    BuildValues defaults = values_;
    // Build arguments that replace predefined ones count as those here.
    const Environment predefined = predefined_arguments(file_, values_);
    defaults.build_args.clear();
    for (const auto& [name, value] : predefined.entries())
      defaults.build_args.emplace(name, value);
    try {
      const Environment globals = global_arguments(file_, defaults);
      for (const StageText& stage : file_.stages) {
        const std::string base = expand(stage.header().base, globals, {.escape = file_.escape()}).text;
        if (familiar_name(base)) continue;
        warn(options_, "InvalidDefaultArgInFrom", stage.from,
             "Default value for ARG " + stage.header().base + " results in empty or invalid base image name");
      }
    } catch (const Error&) {
      // The plan of the stages will say what is wrong.
    }
  }

  void check_stages() {
    globals_ = global_arguments(file_, values_);
    for (const StageText& stage : file_.stages)
      check_from_arguments(stage);
    StagePlan plan = plan_stages(file_, values_, facts_.contexts);
    std::vector<int> numbers = plan.needed;
    if (values_.target.empty() && !facts_.target_only) {
      numbers.clear();
      for (const PlannedStage& stage : plan.stages)
        numbers.push_back(stage.number);
    }
    for (const int number : numbers)
      check_stage(plan, number);
  }

  void check_from_arguments(const StageText& stage) {
    const From& from = stage.header();
    const LintOptions options = options_.with(stage.from.comments);
    try {
      const Expansion base = expand(from.base, globals_, {.escape = file_.escape()});
      report_undeclared(options, stage.from, base.unset);
      if (from.platform.empty()) return;
      const Expansion platform = expand(from.platform, globals_, {.escape = file_.escape()});
      report_undeclared(options, stage.from, platform.unset);
      if (platform.used == std::vector<std::string>{"TARGETPLATFORM"} && platform.unset.empty() &&
          platform.text == globals_.find("TARGETPLATFORM")) {
        warn(options, "RedundantTargetPlatform", stage.from,
             "Setting platform to predefined " + from.platform +
                 " in FROM is redundant as this is the default behavior",
             "--platform");
      }
      if (platform.used.empty() && platform.unset.empty())
        check_constant_platform(options, stage, platform.text);
    } catch (const WordError&) {
      // The plan of the stages will say what is wrong.
    }
  }

  void check_constant_platform(const LintOptions& options, const StageText& stage, const std::string& text) {
    const auto platform = parse_platform(text);
    if (!platform) return;
    const std::string& name = stage.header().name;
    if (name.find(platform->os) != std::string::npos ||
        name.find(platform->architecture) != std::string::npos)
      return;
    warn(options, "FromPlatformFlagConstDisallowed", stage.from,
         "FROM --platform flag should not use constant value " + in_quotes(text), "--platform");
  }

  void report_undeclared(const LintOptions& options, const Instruction& from,
                         const std::vector<std::string>& unset) {
    std::vector<std::string> known = globals_.names();
    for (const Instruction& instruction : file_.meta_args) {
      for (const ArgDefinition& definition : std::get<Arg>(instruction.body).definitions)
        known.push_back(definition.key);
    }
    for (const std::string& name : unset) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      warnings_.add(options, "UndefinedArgInFrom", from.lines, place_of_variable(from, name),
                    with_guess("FROM argument '" + name + "' is not declared",
                               nearest(name, std::span<const std::string>(known))));
    }
  }

  State start_of(StagePlan& plan, int number) {
    PlannedStage& stage = plan.stages[static_cast<std::size_t>(number)];
    State state;
    if (stage.base.kind == Origin::Kind::stage) {
      const State& base = states_[stage.base.stage];
      state.scope = base.scope;
      state.scope.start_stage();
      state.shell = base.shell;
      state.workdir_set = base.workdir_set;
      state.environment_known = base.environment_known;
    } else {
      state.scope = Scope(*file_.source, file_.escape(), globals_, values_);
      if (stage.base.kind != Origin::Kind::scratch) use_base(plan, number, state);
    }
    const std::string& system = stage.platform ? stage.platform->os : values_.target_platform.os;
    if (system != "windows" && !state.scope.environment().find("PATH")) {
      const std::vector<Environment::Entry> path{
          {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
      state.scope.add_environment(Environment(path));
    }
    return state;
  }

  void use_base(StagePlan& plan, int number, State& state) {
    PlannedStage& stage = plan.stages[static_cast<std::size_t>(number)];
    const auto base = facts_.base ? facts_.base(stage) : std::nullopt;
    state.environment_known = base.has_value() || facts_.unknown_bases_are_empty;
    if (!base) return;
    state.scope.add_environment(base->environment);
    state.shell = base->shell;
    const oci::Platform& expected = stage.platform ? *stage.platform : values_.target_platform;
    if (base->platform &&
        (base->platform->os != expected.os || base->platform->architecture != expected.architecture)) {
      warn(options_, "InvalidBaseImagePlatform", stage.from,
           "Base image " + stage.base_name + " was pulled with platform " +
               in_quotes(normalized(*base->platform).string_with_version()) + ", expected " +
               in_quotes(normalized(expected).string_with_version()) + " for current build");
    }
    if (!base->triggers.empty()) add_triggers(plan, file_, number, base->triggers, facts_.contexts);
  }

  void check_stage(StagePlan& plan, int number) {
    State state = start_of(plan, number);
    for (const PlannedInstruction& planned : plan.stages[static_cast<std::size_t>(number)].instructions) {
      check_instruction(planned, state);
    }
    states_[number] = std::move(state);
  }

  void check_instruction(const PlannedInstruction& planned, State& state) {
    const Instruction& written = planned.instruction;
    const LintOptions options = options_.with(written.comments);
    // These two come before a variable or a port can be an error.
    if (const Arg* arg = written.as<Arg>()) {
      for (const ArgDefinition& definition : arg->definitions)
        check_secret(options, written, "ARG", definition.key);
    } else if (const Expose* expose = written.as<Expose>()) {
      check_ports(options, written, *expose, state);
    }
    const ExpandedInstruction expanded = expand_and_report(options, written, state);
    const Instruction& instruction = expanded.instruction;
    if (const Env* env = instruction.as<Env>()) {
      check_pairs(options, written, env->pairs);
      for (const KeyValue& pair : env->pairs)
        check_secret(options, written, "ENV", pair.key);
    } else if (const Label* label = instruction.as<Label>()) {
      check_pairs(options, written, label->pairs);
    } else if (const Cmd* cmd = instruction.as<Cmd>()) {
      check_once(options, written, state.cmd);
      check_form(options, written, cmd->command, state);
    } else if (const Entrypoint* entrypoint = instruction.as<Entrypoint>()) {
      check_once(options, written, state.entrypoint);
      check_form(options, written, entrypoint->command, state);
    } else if (instruction.as<Healthcheck>() != nullptr) {
      check_once(options, written, state.healthcheck);
    } else if (const Shell* shell = instruction.as<Shell>()) {
      state.shell = shell->words;
    } else if (const Workdir* workdir = instruction.as<Workdir>()) {
      check_workdir(options, written, workdir->path, state);
    } else if (const Copy* copy = instruction.as<Copy>()) {
      if (copy->from.empty()) check_sources(options, written, "Copy", copy->transfer);
    } else if (const Add* add = instruction.as<Add>()) {
      check_sources(options, written, "Add", add->transfer);
    }
    state.scope.apply(instruction);
  }

  ExpandedInstruction expand_and_report(const LintOptions& options, const Instruction& written,
                                        const State& state) {
    std::vector<std::string> mentions;
    const auto report = [&] {
      if (!state.environment_known) return;
      const std::vector<std::string> known = state.scope.environment().names();
      for (const std::string& name : mentions) {
        if (name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE") continue;
        const std::string near = nearest(name, std::span<const std::string>(known));
        warnings_.add(
            options, "UndefinedVar", written.lines, place_of_variable(written, name),
            with_guess("Usage of undefined variable '$" + name + "'", near.empty() ? "" : "$" + near));
      }
    };
    try {
      ExpandedInstruction expanded = state.scope.expand(written, &mentions);
      report();
      return expanded;
    } catch (const SourceError&) {
      report();
      throw;
    }
  }

  void check_secret(const LintOptions& options, const Instruction& at, const std::string& keyword,
                    const std::string& key) {
    if (!names_secret(key)) return;
    warn(options, "SecretsUsedInArgOrEnv", at,
         "Do not use ARG or ENV instructions for sensitive data (" + keyword + " " + in_quotes(key) + ")",
         key);
  }

  void check_pairs(const LintOptions& options, const Instruction& at, const std::vector<KeyValue>& pairs) {
    for (const KeyValue& pair : pairs) {
      if (pair.delimited) continue;
      warn(options, "LegacyKeyValueFormat", at,
           "\"" + at.keyword + " key=value\" should be used instead of legacy \"" + at.keyword +
               " key value\" format");
    }
  }

  // The earlier instruction is the one without effect, so it is the one that is named.
  void check_once(const LintOptions& options, const Instruction& at, const Instruction*& earlier) {
    if (earlier != nullptr) {
      warn(options, "MultipleInstructionsDisallowed", *earlier,
           "Multiple " + at.keyword +
               " instructions should not be used in the same stage because only the last one will be used");
    }
    earlier = &at;
  }

  void check_form(const LintOptions& options, const Instruction& at, const Command& command,
                  const State& state) {
    if (!command.shell_form || !state.shell.empty()) return;
    warn(options, "JSONArgsRecommended", at,
         "JSON arguments recommended for " + at.keyword +
             " to prevent unintended behavior related to OS signals");
  }

  void check_workdir(const LintOptions& options, const Instruction& at, const std::string& path,
                     State& state) {
    const bool drive = values_.target_platform.os == "windows" && path.size() > 2 && path[1] == ':';
    const bool rooted =
        !path.empty() && (path[0] == '/' || (path[0] == '\\' && values_.target_platform.os == "windows"));
    if (!state.workdir_set && !drive && !rooted) {
      warn(options, "WorkdirRelativePath", at,
           "Relative workdir " + in_quotes(path) + " can have unexpected results if the base image changes",
           path);
    }
    state.workdir_set = true;
  }

  void check_ports(const LintOptions& options, const Instruction& at, const Expose& expose,
                   const State& state) {
    std::vector<std::pair<std::string, std::string>> ports;  // as expanded, as written
    try {
      for (const std::string& text : expose.ports)
        for (const std::string& port :
             expand(text, state.scope.environment(), {.escape = file_.escape()}).words)
          ports.emplace_back(port, text);
      for (const auto& [port, text] : ports) {
        check_port(options, at, port, text);
        (void)parse_port(port);
      }
    } catch (const Error&) {
      // The instruction's expansion fails for the same reason, and knows the place.
    }
  }

  void check_port(const LintOptions& options, const Instruction& at, const std::string& port,
                  const std::string& written) {
    const PortText parts = split_port(port);
    if (!is_lower(parts.protocol)) {
      warn(options, "ExposeProtoCasing", at,
           "Defined protocol '" + port + "' in EXPOSE instruction should be lowercase", written);
    }
    if (!parts.address.empty() || !parts.host.empty()) {
      warn(options, "ExposeInvalidFormat", at,
           "EXPOSE instruction should not define an IP address or host-port mapping, found '" + port + "'",
           written);
    }
  }

  // With exceptions in the ignore file a directory may be ignored and part of it included, so there is no
  // warning then.
  void check_sources(const LintOptions& options, const Instruction& at, const std::string& verb,
                     const Transfer& transfer) {
    if (facts_.ignore == nullptr || facts_.ignore->has_exceptions()) return;
    for (const std::string& each : transfer.sources) {
      if (is_remote_source(each)) continue;
      const std::string source = clean_path(each);
      const auto takes_all = [](const std::string& pattern) {
        return pattern == "*" || pattern == "**" || pattern == "**/*";
      };
      const std::vector<std::string>& patterns = facts_.ignore->patterns();
      if ((source == "." || source == "/") && std::none_of(patterns.begin(), patterns.end(), takes_all))
        continue;
      if (!facts_.ignore->matches(source)) continue;
      warn(options, "CopyIgnoredFile", at,
           "Attempting to " + verb + " file " + in_quotes(source) + " that is excluded by .dockerignore",
           each);
    }
  }

  const Dockerfile& file_;
  const BuildValues& values_;
  const LintFacts& facts_;
  LintOptions options_;
  LintWarnings warnings_;
  Environment globals_;
  std::map<int, State> states_;
  LintReport report_;
};

}  // namespace

LintReport lint(const Dockerfile& file, const BuildValues& values, const LintFacts& facts) {
  return Linter(file, values, facts).run();
}

LintReport lint(const PartialDockerfile& partial, const BuildValues& values, const LintFacts& facts) {
  Linter linter(partial.file, values, facts);
  return partial.error ? linter.run_partial(partial) : linter.run();
}

}  // namespace bottle::dockerfile
