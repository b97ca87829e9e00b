// SPDX-License-Identifier: Apache-2.0
#include "image/model/config.hpp"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "dockerfile/history.hpp"
#include "dockerfile/scope.hpp"
#include "oci/config_members.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/rfc3339.hpp"

namespace bottle::image {
inline namespace model {
namespace {

using namespace dockerfile;

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

template <typename Visitor>
void visit_body(const Instruction& instruction, Visitor&& visitor) {
  std::visit(std::forward<Visitor>(visitor), instruction.body);
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // Clang 14 does not deduce it

Json healthcheck_json(const Healthcheck& healthcheck) {
  Json json = Json::object();
  json["Test"] = healthcheck.test;
  const auto set = [&](const char* key, std::chrono::nanoseconds value) {
    if (value.count() != 0) json[key] = value.count();
  };
  set("Interval", healthcheck.interval);
  set("Timeout", healthcheck.timeout);
  set("StartPeriod", healthcheck.start_period);
  set("StartInterval", healthcheck.start_interval);
  if (healthcheck.retries != 0) json["Retries"] = healthcheck.retries;
  return json;
}

}  // namespace

ImageConfig::ImageConfig(const oci::Platform& platform, std::int64_t epoch) : created_(rfc3339(epoch)) {
  image_ = {{"architecture", platform.architecture},
            {"os", platform.os},
            {"created", created_},
            {"config", {{"Env", {kDefaultPath}}, {"WorkingDir", "/"}}},
            {"history", Json::array()}};
  if (!platform.variant.empty()) image_["variant"] = platform.variant;
}

ImageConfig::ImageConfig(const std::string& text, const std::string& name, std::int64_t epoch)
    : created_(rfc3339(epoch)) {
  image_ = oci::read_config(text, name);
  take_platform(JsonView(image_, name + "#"));
  if (!image_.contains("config")) image_["config"] = Json::object();
  Json& values = image_["config"];
  triggers_ = strings("OnBuild");
  values.erase("OnBuild");
  if (values.value("WorkingDir", "").empty()) values.erase("WorkingDir");
  take_history();
  // Left by classic builders and about the container they built in, not about this image.
  for (const char* key : {"container", "container_config", "docker_version", "parent", "id", "rootfs"})
    image_.erase(key);
  image_["created"] = created_;
  const std::vector<std::string> names = environment().names();
  if (std::find(names.begin(), names.end(), "PATH") == names.end() && platform().os == "linux") {
    std::vector<std::string> lines = strings("Env");
    lines.emplace_back(kDefaultPath);
    set_list("Env", lines);
  }
}

// Aliases are folded, as by BuildKit ("x86_64" is "amd64"). The variant stays as it is: the same image for
// arm64 may say "v8" or nothing.
void ImageConfig::take_platform(const JsonView& view) {
  if (view.at("architecture").string().empty()) view.at("architecture").fail("the name of an architecture");
  const oci::Platform given = this->platform();
  const oci::Platform platform = oci::normalized(given);
  image_["os"] = platform.os;
  image_["architecture"] = platform.architecture;
  if (given.variant.empty()) {
    image_.erase("variant");
    // "armhf" says it in the architecture's name.
    if (given.architecture != "arm" && !platform.variant.empty()) image_["variant"] = platform.variant;
  }
}

// Docker loads no image with more lines of history for layers than layers; BuildKit declares those at the end
// empty.
void ImageConfig::take_history() {
  if (!image_.contains("history")) image_["history"] = Json::array();
  const auto rootfs = image_.find("rootfs");
  if (rootfs == image_.end() || !rootfs->contains("diff_ids")) return;
  std::size_t layers = (*rootfs)["diff_ids"].size();
  if (layers == 0) return;
  for (Json& line : image_["history"]) {
    if (line.value("empty_layer", false)) continue;
    if (layers == 0)
      line["empty_layer"] = true;
    else
      --layers;
  }
}

void ImageConfig::start_stage() {
  triggers_.clear();
  image_["config"].erase("OnBuild");
  cmd_set_ = false;
}

std::string ImageConfig::workdir() const {
  return image_["config"].value("WorkingDir", "/");
}
std::string ImageConfig::user() const {
  return image_["config"].value("User", "");
}

std::vector<std::string> ImageConfig::shell() const {
  return strings("Shell");
}

std::vector<std::string> ImageConfig::strings(const char* key) const {
  return image_["config"].value(key, std::vector<std::string>{});
}

Environment ImageConfig::environment() const {
  return Environment::from_lines(strings("Env"));
}

oci::Platform ImageConfig::platform() const {
  return {.os = image_.value("os", "linux"),
          .architecture = image_.value("architecture", ""),
          .variant = image_.value("variant", "")};
}

std::string ImageConfig::text() const {
  return image_.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void ImageConfig::set_label(const std::string& name, const std::string& value) {
  image_["config"]["Labels"][name] = value;
}

void ImageConfig::set_list(const char* key, const std::vector<std::string>& values) {
  if (values.empty())
    image_["config"].erase(key);
  else
    image_["config"][key] = values;
}

// Other lines stay as the base has them, with '=' or not.
void ImageConfig::set_variable(const std::string& name, const std::string& value) {
  std::vector<std::string> lines = strings("Env");
  const auto is_of = [&](const std::string& line) { return line.substr(0, line.find('=')) == name; };
  const auto first = std::find_if(lines.begin(), lines.end(), is_of);
  if (first == lines.end()) {
    lines.push_back(name + "=" + value);
  } else {
    *first = name + "=" + value;
    lines.erase(std::remove_if(first + 1, lines.end(), is_of), lines.end());
  }
  set_list("Env", lines);
}

void ImageConfig::apply(const Instruction& expanded, const Scope& scope) {
  Json& config = image_["config"];
  visit_body(expanded, Overloaded{
                           [&](const Env& env) {
                             for (const KeyValue& pair : env.pairs)
                               set_variable(pair.key, pair.value);
                           },
                           [&](const Label& label) {
                             for (const KeyValue& pair : label.pairs)
                               set_label(pair.key, pair.value);
                           },
                           [&](const Workdir& directory) {
                             config["WorkingDir"] = resolved_workdir(workdir(), directory.path);
                           },
                           [&](const User& user) { config["User"] = user.user; },
                           [&](const Expose& expose) {
                             for (const std::string& port : expose.ports)
                               config["ExposedPorts"][port] = Json::object();
                           },
                           [&](const Volume& volume) {
                             for (const std::string& path : volume.paths)
                               config["Volumes"][path] = Json::object();
                           },
                           [&](const Entrypoint& entrypoint) {
                             set_list("Entrypoint", command_words(entrypoint.command, shell()));
                             if (!cmd_set_) config.erase("Cmd");
                           },
                           [&](const Cmd& cmd) {
                             set_list("Cmd", command_words(cmd.command, shell()));
                             cmd_set_ = true;
                           },
                           [&](const Shell& words) { set_list("Shell", words.words); },
                           [&](const StopSignal& stop) { config["StopSignal"] = stop.signal; },
                           [&](const Healthcheck& healthcheck) {
                             config["Healthcheck"] = healthcheck_json(healthcheck);
                           },
                           [&](const Onbuild& onbuild) {
                             triggers_.push_back(onbuild.expression);
                             set_list("OnBuild", triggers_);
                           },
                           [&](const Maintainer& maintainer) { image_["author"] = maintainer.name; },
                           [&](const auto&) {},
                       });
  add_history(expanded, scope);
}

void ImageConfig::add_history(const Instruction& expanded, const Scope& scope) {
  const std::vector<std::string> shell_words = shell();
  const std::string directory = workdir();
  const auto text = created_by(expanded, {.shell = shell_words, .workdir = directory, .scope = &scope});
  if (!text) return;
  Json line{{"created", created_}, {"created_by", *text}, {"comment", kHistoryComment}};
  if (!makes_layer(expanded, directory)) line["empty_layer"] = true;
  image_["history"].push_back(std::move(line));
}

}  // namespace model
}  // namespace bottle::image
