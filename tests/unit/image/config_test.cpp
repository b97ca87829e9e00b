// SPDX-License-Identifier: Apache-2.0
#include "image/model/config.hpp"

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

class ConfigTest : public ImageTest {
 protected:
  // The configuration of the Dockerfile's target.
  Json config_of(const std::string& text) const { return config_of(text, spec()); }
  Json config_of(const std::string& text, const BuildSpec& spec) const {
    dockerfile(text);
    return Json::parse(resolve::resolve_image(spec, store()).target().config.text());
  }
  Json after(const std::string& instructions) const {
    return config_of("FROM scratch\n" + instructions)["config"];
  }
  // FROM an outside base with this configuration.
  static ImageConfig base(const Json& document) { return ImageConfig(document.dump(), "base", 0); }
  static Json outside() { return {{"architecture", "arm64"}, {"os", "linux"}, {"variant", "v8"}}; }
};

TEST_F(ConfigTest, ScratchHasADefaultPath) {
  const Json image = config_of("FROM scratch\nLABEL a=b\n");
  EXPECT_EQ(image["architecture"], "amd64");
  EXPECT_EQ(image["os"], "linux");
  EXPECT_EQ(image["created"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(image["config"]["Env"], Json::array({kDefaultPath}));
  EXPECT_EQ(image["config"]["WorkingDir"], "/");
  EXPECT_FALSE(image.contains("rootfs"));
}

TEST_F(ConfigTest, PlatformAndEpoch) {
  BuildSpec arm = spec();
  arm.platform = "linux/arm/v6";
  const ScopedVariable variable("SOURCE_DATE_EPOCH", "1700000000");
  const Json image = config_of("FROM scratch\nENV a=b\n", arm);
  EXPECT_EQ(image["architecture"], "arm");
  EXPECT_EQ(image["variant"], "v6");
  EXPECT_EQ(image["created"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(image["history"][0]["created"], "2023-11-14T22:13:20Z");
}

TEST_F(ConfigTest, EachInstructionHasItsEffect) {
  EXPECT_EQ(after("ENV A=1 B=\"2 3\"\nENV A=4\n")["Env"], Json::array({kDefaultPath, "A=4", "B=2 3"}));
  EXPECT_EQ(after("ENV PATH=/bin\n")["Env"], Json::array({"PATH=/bin"}));
  EXPECT_EQ(after("LABEL a=1 b=2\nLABEL a=3\n")["Labels"], (Json{{"a", "3"}, {"b", "2"}}));
  EXPECT_EQ(after("WORKDIR /a\nWORKDIR b\n")["WorkingDir"], "/a/b");
  EXPECT_EQ(after("USER 1:2\n")["User"], "1:2");
  EXPECT_EQ(after("EXPOSE 80 53/udp\n")["ExposedPorts"],
            (Json{{"80/tcp", Json::object()}, {"53/udp", Json::object()}}));
  EXPECT_EQ(after("VOLUME /a /b\n")["Volumes"], (Json{{"/a", Json::object()}, {"/b", Json::object()}}));
  EXPECT_EQ(after("ENTRYPOINT [\"/a\", \"b\"]\n")["Entrypoint"], Json::array({"/a", "b"}));
  EXPECT_EQ(after("CMD a b\n")["Cmd"], Json::array({"/bin/sh", "-c", "a b"}));
  EXPECT_EQ(after("SHELL [\"/bin/bash\", \"-ec\"]\nCMD a b\n")["Cmd"],
            Json::array({"/bin/bash", "-ec", "a b"}));
  EXPECT_EQ(after("SHELL [\"/bin/bash\", \"-ec\"]\n")["Shell"], Json::array({"/bin/bash", "-ec"}));
  EXPECT_EQ(after("STOPSIGNAL SIGTERM\n")["StopSignal"], "SIGTERM");
  EXPECT_EQ(after("HEALTHCHECK --interval=5s --retries=3 CMD [\"/check\"]\n")["Healthcheck"],
            (Json{{"Test", {"CMD", "/check"}}, {"Interval", 5'000'000'000}, {"Retries", 3}}));
  EXPECT_EQ(after("HEALTHCHECK NONE\n")["Healthcheck"]["Test"], Json::array({"NONE"}));
  EXPECT_EQ(config_of("FROM scratch\nMAINTAINER somebody\n")["author"], "somebody");
  EXPECT_EQ(after("ONBUILD COPY a /b\nONBUILD USER 1\n")["OnBuild"], Json::array({"COPY a /b", "USER 1"}));
}

TEST_F(ConfigTest, EntrypointResetsTheBasesCommand) {
  EXPECT_EQ(after("CMD [\"a\"]\nENTRYPOINT [\"b\"]\n")["Cmd"], Json::array({"a"}));
  const Json image = config_of(R"(FROM scratch AS base
CMD ["a"]
FROM base
ENTRYPOINT ["b"]
)")["config"];
  EXPECT_FALSE(image.contains("Cmd"));
  EXPECT_EQ(image["Entrypoint"], Json::array({"b"}));
  EXPECT_FALSE(after("ENTRYPOINT [\"b\"]\nENTRYPOINT []\n").contains("Entrypoint"));
}

TEST_F(ConfigTest, HistoryCountsLayers) {
  write("a", "1");
  const Json history = config_of(R"(FROM scratch
COPY a /a
ENV A=1
WORKDIR /w
CMD ["x"]
)")["history"];
  ASSERT_EQ(history.size(), 4u);
  EXPECT_FALSE(history[0].contains("empty_layer"));
  EXPECT_EQ(history[1]["empty_layer"], true);
  EXPECT_FALSE(history[2].contains("empty_layer"));
  EXPECT_EQ(history[3]["empty_layer"], true);
  EXPECT_THAT(history[0]["created_by"].get<std::string>(), HasSubstr("COPY a /a"));
  EXPECT_EQ(history[0]["created"], "1970-01-01T00:00:00Z");
}

TEST_F(ConfigTest, VariablesAreReplaced) {
  BuildSpec with_argument = spec();
  with_argument.build_args = {{"V", "7"}};
  const Json config = config_of(R"(FROM scratch
ARG V=1
ARG W=${V}0
ENV X=$V Y=$W
USER $X
)",
                                with_argument)["config"];
  EXPECT_EQ(config["User"], "7");
  EXPECT_EQ(config["Env"], Json::array({kDefaultPath, "X=7", "Y=70"}));
}

TEST_F(ConfigTest, TriggersRunInTheNextStageOnly) {
  const std::string text =
      R"(FROM scratch AS base
ONBUILD ENV A=1
ONBUILD LABEL b=2
FROM base AS child
FROM child
ENV C=3
)";
  const Json config = config_of(text)["config"];
  EXPECT_EQ(config["Env"], Json::array({kDefaultPath, "A=1", "C=3"}));
  EXPECT_EQ(config["Labels"]["b"], "2");
  EXPECT_FALSE(config.contains("OnBuild"));
  BuildSpec to_base = spec();
  to_base.target = "base";
  EXPECT_EQ(config_of(text, to_base)["config"]["OnBuild"], Json::array({"ENV A=1", "LABEL b=2"}));
}

TEST_F(ConfigTest, LabelsOfTheSpecComeLast) {
  BuildSpec labelled = spec();
  labelled.labels = {{"a", "spec"}};
  EXPECT_EQ(config_of("FROM scratch\nLABEL a=file b=file\n", labelled)["config"]["Labels"],
            (Json{{"a", "spec"}, {"b", "file"}}));
}

TEST_F(ConfigTest, InheritsFromABase) {
  Json document = outside();
  document["config"] = {{"Env", {"PATH=/x", "A=1"}},
                        {"WorkingDir", ""},
                        {"User", "5"},
                        {"OnBuild", {"USER 1"}},
                        {"Unknown", {{"a", 1}}}};
  document["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  document["container_config"] = {{"Hostname", "h"}};
  document["history"] = {{{"created_by", "before"}}};
  document["created"] = "2020-01-01T00:00:00Z";
  const ImageConfig config = base(document);
  EXPECT_EQ(config.platform().variant, "v8");
  EXPECT_EQ(config.user(), "5");
  EXPECT_EQ(config.workdir(), "/");
  EXPECT_THAT(config.triggers(), ElementsAre("USER 1"));
  EXPECT_THAT(config.environment().lines(), ElementsAre("PATH=/x", "A=1"));
  const Json image = Json::parse(config.text());
  EXPECT_FALSE(image.contains("rootfs"));
  EXPECT_FALSE(image.contains("container_config"));
  EXPECT_FALSE(image["config"].contains("OnBuild"));
  EXPECT_EQ(image["config"]["Unknown"], (Json{{"a", 1}})) << "what is not known is kept";
  EXPECT_EQ(image["history"], Json::array({{{"created_by", "before"}}}));
  EXPECT_EQ(image["created"], "1970-01-01T00:00:00Z");
}

TEST_F(ConfigTest, ABaseWithoutPathGetsTheDefault) {
  EXPECT_THAT(base(outside()).environment().lines(), ElementsAre(kDefaultPath));
  Json document = outside();
  document["config"]["Env"] = {"A=1"};
  EXPECT_THAT(base(document).environment().lines(), ElementsAre("A=1", kDefaultPath)) << "as BuildKit has it";
}

// What Docker Engine 20.10 and 28.5 make of a base with these, by FROM and LABEL.
TEST_F(ConfigTest, NullInABaseIsAbsent) {
  const Json plain = Json::parse(base(outside()).text());
  for (const char* member :
       {"Env", "Cmd", "Entrypoint", "Shell", "OnBuild", "User", "WorkingDir", "StopSignal", "Labels",
        "Volumes", "ExposedPorts", "Healthcheck", "ArgsEscaped"}) {
    Json document = outside();
    document["config"][member] = nullptr;
    EXPECT_EQ(Json::parse(base(document).text()), plain) << member;
  }
  for (const char* member :
       {"config", "history", "created", "author", "rootfs", "os.version", "os.features"}) {
    Json document = outside();
    document[member] = nullptr;
    EXPECT_EQ(Json::parse(base(document).text()), plain) << member;
  }
  Json document = outside();
  document["variant"] = nullptr;
  EXPECT_FALSE(Json::parse(base(document).text()).contains("variant"));
  document["os"] = nullptr;
  EXPECT_EQ(base(document).platform().os, "linux");
  document["architecture"] = nullptr;
  EXPECT_THAT(error_of([&] { base(document); }), HasSubstr("\"architecture\" is missing"));
  document["architecture"] = "";
  EXPECT_THAT(error_of([&] { base(document); }), HasSubstr("base#/architecture"));
}

TEST_F(ConfigTest, InstructionsOnABaseWithNulls) {
  Json document = outside();
  for (const char* member : {"Env", "Labels", "Volumes", "ExposedPorts", "Healthcheck", "Cmd"})
    document["config"][member] = nullptr;
  ImageConfig config = base(document);
  config.set_label("a", "b");
  EXPECT_EQ(Json::parse(config.text())["config"]["Labels"], (Json{{"a", "b"}}));
}

TEST_F(ConfigTest, TheBasesWorkingDirectoryIsKept) {
  EXPECT_FALSE(Json::parse(base(outside()).text())["config"].contains("WorkingDir"));
  EXPECT_EQ(base(outside()).workdir(), "/");
  for (const auto& [given, result] : std::map<std::string, std::string>{{"", ""}, {"/", "/"}, {"/a", "/a"}}) {
    Json document = outside();
    document["config"]["WorkingDir"] = given;
    EXPECT_EQ(Json::parse(base(document).text())["config"].value("WorkingDir", ""), result) << given;
  }
}

TEST_F(ConfigTest, InheritedEnvironmentIsUnchanged) {
  Json document = outside();
  document["config"]["Env"] = {"A", "", "=x", "B=1", "B=2", "PATH="};
  EXPECT_EQ(Json::parse(base(document).text())["config"]["Env"], document["config"]["Env"]);
}

TEST_F(ConfigTest, SpellingsOfAPlatformAreFolded) {
  Json document{{"architecture", "x86_64"}, {"os", "Linux"}};
  EXPECT_EQ(base(document).platform().string(), "linux/amd64");
  document["architecture"] = "armhf";
  EXPECT_EQ(base(document).platform().string(), "linux/arm/v7");
  EXPECT_EQ(base(outside()).platform().string(), "linux/arm64/v8") << "the variant stays";
}

// Docker refuses to load an image that has more lines for layers than layers.
TEST_F(ConfigTest, HistoryBeyondTheLayersIsEmpty) {
  Json document = outside();
  document["rootfs"] = {{"type", "layers"}, {"diff_ids", {sha256("a").string()}}};
  document["history"] = {{{"created_by", "a"}}, {{"created_by", "b"}}, nullptr};
  const Json history = Json::parse(base(document).text())["history"];
  EXPECT_FALSE(history[0].contains("empty_layer"));
  EXPECT_EQ(history[1]["empty_layer"], true);
  EXPECT_EQ(history[2], (Json{{"empty_layer", true}}));
}

TEST_F(ConfigTest, RefusesAnInvalidBase) {
  const auto refused = [](const Json& document) { return error_of([&] { base(document); }); };
  EXPECT_THAT(refused({{"os", "linux"}}),
              AllOf(HasSubstr("base#"), HasSubstr("\"architecture\" is missing")));
  for (const auto& [member, value] : std::map<std::string, Json>{{"Env", "A=1"},
                                                                 {"Env", {1}},
                                                                 {"Cmd", 1},
                                                                 {"OnBuild", {{"a", 1}}},
                                                                 {"User", 5},
                                                                 {"WorkingDir", {"/"}}}) {
    Json document = outside();
    document["config"][member] = value;
    EXPECT_THAT(refused(document), HasSubstr("base#/config/" + member)) << value;
  }
  Json document = outside();
  document["history"] = "none";
  EXPECT_THAT(refused(document), HasSubstr("base#/history"));
  EXPECT_THAT(error_of([] { ImageConfig("{", "base", 0); }), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace bottle::image
