// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/scope.hpp"

#include <algorithm>
#include <set>

#include "dockerfile/ports.hpp"
#include "dockerfile/run_flags.hpp"
#include "dockerfile/signals.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

std::string target_name(const Dockerfile& file, const BuildValues& values) {
  if (!values.target.empty()) return values.target;
  const std::string last = file.stages.empty() ? "" : file.stages.back().header().name;
  return last.empty() ? "default" : last;
}

// As path.Join: empty parts are left out, "." and ".." and double slashes are resolved.
std::string joined(std::string_view base, std::string_view path) {
  std::vector<std::string> parts;
  for (const std::string_view text : {base, path}) {
    for (std::string& part : split(text, '/')) {
      if (part == "..") {
        if (!parts.empty()) parts.pop_back();
      } else if (!part.empty() && part != ".") {
        parts.push_back(std::move(part));
      }
    }
  }
  return "/" + join(parts, "/");
}

std::string absolute(std::string_view current, std::string_view path) {
  std::string parent =
      current.empty() || current.front() != '/' ? joined("/", current) : std::string(current);
  if (path.empty()) return parent;
  if (path.front() == '/') return std::string(path);
  return joined(parent, path);
}

}  // namespace

// The expansion of one instruction.
class Scope::Work {
 public:
  Work(const Scope& scope, const Instruction& instruction, std::vector<std::string>* unset_mentions)
      : scope_(scope), environment_(scope.environment_), unset_mentions_(unset_mentions) {
    result_.instruction = instruction;
  }

  ExpandedInstruction run() {
    Instruction& instruction = result_.instruction;
    try {
      std::visit([this](auto& body) { expand(body); }, instruction.body);
    } catch (const WordError& error) {
      fail(error.message(), error.hint());
    } catch (const FieldError& error) {
      fail(error.message(), error.hint());
    } catch (const PortError& error) {
      fail(error.message(), error.hint());
    }
    for (const ArgDefinition& definition : scope_.declared_)
      unset_.erase(definition.key);
    result_.used.assign(used_.begin(), used_.end());
    result_.unset.assign(unset_.begin(), unset_.end());
    return std::move(result_);
  }

 private:
  Expansion expansion(std::string_view word, const ExpandOptions& options) {
    if (!inside_) written_ = std::string(word);
    try {
      Expansion done = dockerfile::expand(word, environment_, options);
      used_.insert(done.used.begin(), done.used.end());
      unset_.insert(done.unset.begin(), done.unset.end());
      mention(done.unset);
      return done;
    } catch (const WordError& error) {
      mention(error.unset);
      throw;
    }
  }
  void mention(const std::vector<std::string>& unset) {
    if (unset_mentions_ == nullptr || result_.instruction.as<Expose>() != nullptr) return;
    for (const std::string& name : unset) {
      const bool is_declared =
          std::any_of(scope_.declared_.begin(), scope_.declared_.end(),
                      [&](const ArgDefinition& definition) { return definition.key == name; });
      if (!is_declared) unset_mentions_->push_back(name);
    }
  }
  [[noreturn]] void fail(std::string summary, std::string hint = {}) const {
    throw SourceError(*scope_.source_, place_of(*scope_.source_, result_.instruction, written_),
                      std::move(summary), std::move(hint));
  }
  std::string word(std::string_view text) { return expansion(text, {.escape = scope_.escape_}).text; }
  void in_place(std::string& text) { text = word(text); }

  void expand(Transfer& transfer) {
    for (std::string& source : transfer.sources)
      in_place(source);
    in_place(transfer.destination);
    for (InlineFile& file : transfer.files) {
      // In the contents of a heredoc quotes mean nothing, and the escape character is always the backslash.
      if (file.expand) file.content = expansion(file.content, {.plain_quotes = true}).text;
    }
  }
  void expand(Copy& copy) {
    in_place(copy.chown);
    in_place(copy.chmod);
    expand(copy.transfer);
  }
  void expand(Add& add) {
    in_place(add.chown);
    in_place(add.chmod);
    in_place(add.checksum);
    expand(add.transfer);
  }
  void expand(std::vector<KeyValue>& pairs) {
    for (KeyValue& pair : pairs) {
      in_place(pair.key);
      in_place(pair.value);
    }
  }
  void expand(Env& env) { expand(env.pairs); }
  void expand(Label& label) { expand(label.pairs); }
  void expand(Run& run) {
    run.mounts.clear();
    for (const std::string& text : run.mount_texts) {
      written_ = text;
      inside_ = true;
      run.mounts.push_back(parse_mount(text, [this](std::string_view value) { return word(value); }));
    }
  }
  void expand(User& user) { in_place(user.user); }
  void expand(Workdir& workdir) { in_place(workdir.path); }
  void expand(StopSignal& stop) {
    in_place(stop.signal);
    if (!is_signal(stop.signal))
      fail("invalid signal " + in_quotes(stop.signal), "write a name such as SIGTERM, or a number");
  }
  void expand(Volume& volume) {
    for (std::string& path : volume.paths) {
      in_place(path);
      if (path.empty()) fail("VOLUME specified can not be an empty string");
    }
  }
  void expand(Expose& expose) {
    std::vector<std::string> ports;
    for (const std::string& text : expose.ports) {
      for (const std::string& port : expansion(text, {.escape = scope_.escape_}).words) {
        const PortSpec spec = parse_port(port);
        ports.insert(ports.end(), spec.ports.begin(), spec.ports.end());
      }
    }
    expose.ports = std::move(ports);
  }
  // A definition sees the ones before it in the same instruction.
  void expand(Arg& arg) {
    for (ArgDefinition& definition : arg.definitions) {
      const auto given = scope_.values_->build_args.find(definition.key);
      if (given != scope_.values_->build_args.end()) {
        definition.value = given->second;
      } else if (definition.value) {
        definition.value = word(*definition.value);
      } else if (const auto global = scope_.globals_->find(definition.key)) {
        definition.value = std::string(*global);
      }
      if (definition.value) environment_.set(definition.key, *definition.value);
    }
  }
  // Their words are expanded by the shell of the container, or not at all.
  void expand(From&) {}
  void expand(Cmd&) {}
  void expand(Entrypoint&) {}
  void expand(Shell&) {}
  void expand(Healthcheck&) {}
  void expand(Onbuild&) {}
  void expand(Maintainer&) {}

  const Scope& scope_;
  Environment environment_;
  ExpandedInstruction result_;
  std::vector<std::string>* unset_mentions_;
  std::string written_;  // what is being expanded, for the place of errors
  bool inside_ = false;  // of a flag that is more than one word
  std::set<std::string> used_;
  std::set<std::string> unset_;
};

Environment predefined_arguments(const Dockerfile& file, const BuildValues& values) {
  const oci::Platform& build = values.build_platform;
  const oci::Platform& target = values.target_platform;
  Environment environment({{"BUILDPLATFORM", build.string()},
                           {"BUILDOS", build.os},
                           {"BUILDOSVERSION", build.os_version},
                           {"BUILDARCH", build.architecture},
                           {"BUILDVARIANT", build.variant},
                           {"TARGETPLATFORM", target.string_with_version()},
                           {"TARGETOS", target.os},
                           {"TARGETOSVERSION", target.os_version},
                           {"TARGETARCH", target.architecture},
                           {"TARGETVARIANT", target.variant},
                           {"TARGETSTAGE", target_name(file, values)}});
  for (const std::string& name : environment.names()) {
    const auto given = values.build_args.find(name);
    if (given != values.build_args.end()) environment.set(name, given->second);
  }
  return environment;
}

Environment global_arguments(const Dockerfile& file, const BuildValues& values) {
  Environment environment = predefined_arguments(file, values);
  for (const Instruction& instruction : file.meta_args) {
    for (const ArgDefinition& definition : std::get<Arg>(instruction.body).definitions) {
      const auto given = values.build_args.find(definition.key);
      if (given != values.build_args.end()) {
        environment.set(definition.key, given->second);
      } else if (definition.value) {
        try {
          environment.set(definition.key,
                          expand(*definition.value, environment, {.escape = file.escape()}).text);
        } catch (const WordError& error) {
          throw SourceError(*file.source, instruction.position, error.message(), error.hint());
        }
      }
    }
  }
  return environment;
}

std::map<std::string, std::string> proxy_arguments(const std::map<std::string, std::string>& build_args) {
  static const std::set<std::string> kNames{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
                                            "all_proxy"};
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : build_args) {
    if (kNames.count(to_lower(name)) > 0) found.emplace(name, value);
  }
  return found;
}

Scope::Scope(const SourceText& source, char escape, const Environment& globals, const BuildValues& values)
    : source_(&source), escape_(escape), globals_(&globals), values_(&values) {}

void Scope::add_environment(const Environment& environment) {
  for (const auto& [name, value] : environment.entries()) {
    environment_.set(name, value);
    of_image_.set(name, value);
  }
}

void Scope::start_stage() {
  for (const auto& [name, value] : of_image_.entries())
    environment_.set(name, value);
}

ExpandedInstruction Scope::expand(const Instruction& instruction,
                                  std::vector<std::string>* unset_mentions) const {
  return Work(*this, instruction, unset_mentions).run();
}

void Scope::apply(const Instruction& expanded) {
  if (const Env* env = expanded.as<Env>()) {
    for (const KeyValue& pair : env->pairs) {
      environment_.set(pair.key, pair.value);
      of_image_.set(pair.key, pair.value);
    }
  } else if (const Arg* arg = expanded.as<Arg>()) {
    for (const ArgDefinition& definition : arg->definitions) {
      // These two steer scanners and are not part of the environment.
      const bool steers =
          definition.key == "BUILDKIT_SBOM_SCAN_CONTEXT" || definition.key == "BUILDKIT_SBOM_SCAN_STAGE";
      if (definition.value && !steers) environment_.set(definition.key, *definition.value);
      declared_.push_back(definition);
    }
  }
}

std::string resolved_workdir(std::string_view current, std::string_view path) {
  return absolute(current, path);
}

std::string resolved_destination(std::string_view current, std::string_view path) {
  if (!path.empty() && path.front() == '/') return std::string(path);
  if (path == "." || path.empty()) path = "./";
  std::string result = absolute(current, path);
  if (path.ends_with("/") && !result.ends_with("/")) result += "/";
  if (path.ends_with("/.")) result += result == "/" ? "." : "/.";
  return result;
}

}  // namespace bottle::dockerfile
