// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/describe.hpp"

#include <nlohmann/json.hpp>

#include "dockerfile/duration.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

using nlohmann::json;

void put(json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}
void put(json& object, const char* name, const std::vector<std::string>& value) {
  if (!value.empty()) object[name] = value;
}
void put_flag(json& object, const char* name, std::optional<bool> value, bool otherwise = false) {
  if (value && *value != otherwise) object[name] = *value;
}
template <typename Number>
void put_number(json& object, const char* name, const std::optional<Number>& value) {
  if (value) object[name] = *value;
}

json described(const Heredoc& heredoc) {
  json out{{"name", heredoc.name}, {"content", heredoc.content}};
  put_flag(out, "expand", heredoc.expand);
  put_flag(out, "strip_tabs", heredoc.strip_tabs);
  return out;
}

json described(const Mount& mount) {
  constexpr const char* kTypes[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
  constexpr const char* kSharings[] = {"", "shared", "private", "locked"};
  json out{{"type", kTypes[static_cast<std::size_t>(mount.type)]}};
  put(out, "from", mount.from);
  put(out, "source", mount.source);
  put(out, "target", mount.target);
  put(out, "id", mount.id);
  put(out, "sharing", std::string(kSharings[static_cast<std::size_t>(mount.sharing)]));
  put_flag(out, "read_only", mount.read_only);
  put_flag(out, "required", mount.required);
  if (mount.size != 0) out["size"] = mount.size;
  put_number(out, "env", mount.env);
  put_number(out, "mode", mount.mode);
  put_number(out, "uid", mount.uid);
  put_number(out, "gid", mount.gid);
  return out;
}

json described(const Origin& origin) {
  constexpr const char* kKinds[] = {"build_context", "scratch", "stage", "named_context", "image"};
  json out{{"kind", kKinds[static_cast<std::size_t>(origin.kind)]}};
  if (origin.stage >= 0) out["stage"] = origin.stage;
  put(out, "name", origin.name);
  return out;
}

class Describer {
 public:
  explicit Describer(json& out) : out_(out) {}

  void operator()(const From& from) const {
    out_["base"] = from.base;
    put(out_, "name", from.name);
    put(out_, "platform", from.platform);
  }
  void operator()(const Arg& arg) const {
    for (const ArgDefinition& definition : arg.definitions) {
      json each{{"key", definition.key}};
      put_number(each, "value", definition.value);
      out_["definitions"].push_back(std::move(each));
    }
  }
  void operator()(const Env& env) const { pairs(env.pairs); }
  void operator()(const Label& label) const { pairs(label.pairs); }
  void operator()(const Copy& copy) const {
    transfer(copy.transfer);
    put(out_, "from", copy.from);
    owner(copy.chown, copy.chmod, copy.excludes, copy.link);
    put_flag(out_, "parents", copy.parents);
  }
  void operator()(const Add& add) const {
    transfer(add.transfer);
    owner(add.chown, add.chmod, add.excludes, add.link);
    put(out_, "checksum", add.checksum);
    put_number(out_, "keep_git_dir", add.keep_git_dir);
    put_number(out_, "unpack", add.unpack);
  }
  void operator()(const Run& run) const {
    command(run.command);
    put(out_, "mount_texts", run.mount_texts);
    for (const Mount& mount : run.mounts)
      out_["mounts"].push_back(described(mount));
    for (const Device& device : run.devices)
      out_["devices"].push_back({{"name", device.name}, {"required", device.required}});
    out_["network"] = run.network;
    out_["security"] = run.security;
  }
  void operator()(const Cmd& cmd) const { command(cmd.command); }
  void operator()(const Entrypoint& entrypoint) const { command(entrypoint.command); }
  void operator()(const Shell& shell) const { out_["words"] = shell.words; }
  void operator()(const Healthcheck& check) const {
    out_["test"] = check.test;
    const auto duration = [this](const char* name, std::chrono::nanoseconds value) {
      if (value.count() != 0) out_[name] = format_duration(value);
    };
    duration("interval", check.interval);
    duration("timeout", check.timeout);
    duration("start_period", check.start_period);
    duration("start_interval", check.start_interval);
    if (check.retries != 0) out_["retries"] = check.retries;
  }
  void operator()(const Onbuild& onbuild) const { out_["expression"] = onbuild.expression; }
  void operator()(const Expose& expose) const { out_["ports"] = expose.ports; }
  void operator()(const User& user) const { out_["user"] = user.user; }
  void operator()(const Volume& volume) const { out_["paths"] = volume.paths; }
  void operator()(const Workdir& workdir) const { out_["path"] = workdir.path; }
  void operator()(const StopSignal& stop) const { out_["signal"] = stop.signal; }
  void operator()(const Maintainer& maintainer) const { out_["name"] = maintainer.name; }

 private:
  void pairs(const std::vector<KeyValue>& pairs) const {
    for (const KeyValue& pair : pairs) {
      json each{{"key", pair.key}, {"value", pair.value}};
      put_flag(each, "delimited", pair.delimited, true);
      out_["pairs"].push_back(std::move(each));
    }
  }
  void transfer(const Transfer& transfer) const {
    put(out_, "sources", transfer.sources);
    for (const InlineFile& file : transfer.files) {
      json each{{"name", file.name}, {"content", file.content}};
      put_flag(each, "expand", file.expand);
      out_["files"].push_back(std::move(each));
    }
    out_["destination"] = transfer.destination;
  }
  void owner(const std::string& chown, const std::string& chmod, const std::vector<std::string>& excludes,
             bool link) const {
    put(out_, "chown", chown);
    put(out_, "chmod", chmod);
    put(out_, "excludes", excludes);
    put_flag(out_, "link", link);
  }
  void command(const Command& command) const {
    out_["words"] = command.words;
    out_["shell_form"] = command.shell_form;
    for (const Heredoc& heredoc : command.heredocs)
      out_["heredocs"].push_back(described(heredoc));
  }

  json& out_;
};

json described(const PlannedStage& stage) {
  json out{{"number", stage.number},
           {"base", stage.base_name},
           {"origin", described(stage.base)},
           {"instructions", json::array()}};
  put(out, "name", stage.name);
  if (stage.platform) out["platform"] = stage.platform->string_with_version();
  put(out, "used_arguments", stage.used_arguments);
  put_flag(out, "replaced", stage.replaced);
  for (const PlannedInstruction& planned : stage.instructions) {
    json each = describe(planned.instruction);
    for (const Origin& origin : planned.origins)
      each["origins"].push_back(described(origin));
    put_flag(each, "trigger", planned.trigger);
    out["instructions"].push_back(std::move(each));
  }
  return out;
}

}  // namespace

json describe(const Instruction& instruction) {
  json out{{"instruction", to_upper(instruction.keyword)},
           {"lines", {instruction.lines.first, instruction.lines.last}},
           {"text", instruction.text}};
  put(out, "comments", instruction.comments);
  std::visit(Describer(out), instruction.body);
  return out;
}

json describe(const Dockerfile& file) {
  json directives = json::object();
  if (file.directives.syntax) directives["syntax"] = file.directives.syntax->value;
  if (file.directives.check) directives["check"] = file.directives.check->value;
  if (file.directives.escape) directives["escape"] = file.directives.escape->value;
  json out{{"directives", std::move(directives)}, {"meta_args", json::array()}, {"stages", json::array()}};
  for (const Instruction& arg : file.meta_args)
    out["meta_args"].push_back(describe(arg));
  for (const StageText& stage : file.stages) {
    json each{{"from", describe(stage.from)}, {"instructions", json::array()}};
    for (const Instruction& instruction : stage.instructions)
      each["instructions"].push_back(describe(instruction));
    out["stages"].push_back(std::move(each));
  }
  return out;
}

json describe(const StagePlan& plan) {
  json out{{"target", plan.target},
           {"needed", plan.needed},
           {"globals", json::object()},
           {"stages", json::array()}};
  for (const auto& [name, value] : plan.globals.entries())
    out["globals"][name] = value;
  for (const PlannedStage& stage : plan.stages)
    out["stages"].push_back(described(stage));
  return out;
}

}  // namespace bottle::dockerfile
