#include "image/model/config.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "dockerfile/history.hpp"
#include "dockerfile/scope.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::image {
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

std::string rfc3339(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

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
  image_ = parse_json(text, name);
  const JsonView view(image_, name + "#");
  (void)view.at("architecture").string();
  (void)view.at("os").string();
  const auto config = view.find("config");
  if (config) {
    // What the instructions below read; a wrong type would surface there as an inner fault.
    for (const char* list : {"Env", "Cmd", "Entrypoint", "Shell", "OnBuild"})
      (void)config->strings_or_empty(list);
    for (const char* word : {"User", "WorkingDir", "StopSignal"})
      (void)config->string_or(word, "");
    triggers_ = config->strings_or_empty("OnBuild");
  } else {
    image_["config"] = Json::object();
  }
  if (const auto history = view.find("history"))
    (void)history->elements();
  else
    image_["history"] = Json::array();
  Json& values = image_["config"];
  values.erase("OnBuild");
  if (!values.contains("WorkingDir") || values["WorkingDir"] == Json("")) values["WorkingDir"] = "/";
  // Left by classic builders and about the container they built in, not about this image.
  for (const char* key : {"container", "container_config", "docker_version", "parent", "id", "rootfs"})
    image_.erase(key);
  image_["created"] = created_;
  bool has_path = false;
  for (const std::string& line : environment().names())
    has_path = has_path || line == "PATH";
  if (!has_path && platform().os == "linux") {
    std::vector<std::string> lines = environment().lines();
    lines.insert(lines.begin(), kDefaultPath);
    set_list("Env", lines);
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
  return image_["config"].value("Shell", std::vector<std::string>{});
}

Environment ImageConfig::environment() const {
  return Environment::from_lines(image_["config"].value("Env", std::vector<std::string>{}));
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

void ImageConfig::apply(const Instruction& expanded, const Scope& scope) {
  Json& config = image_["config"];
  visit_body(expanded, Overloaded{
                           [&](const Env& env) {
                             Environment environment = this->environment();
                             for (const KeyValue& pair : env.pairs)
                               environment.set(pair.key, pair.value);
                             set_list("Env", environment.lines());
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

}  // namespace bottle::image
