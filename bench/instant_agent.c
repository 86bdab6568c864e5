/* A stand-in for the Claude Code CLI that answers at once, so that a benchmark sees the service around an agent and not
   the agent. It speaks as much of the CLI's protocol as a service needs:

   - one-shot (default): reads the prompt from stdin to its end, prints the lines of a one-turn run and leaves;
   - `--input-format stream-json`: answers control requests and each user line until stdin ends, as a warm process does;
   - `--output-format json`: prints the result line alone.

   Its environment shapes the answer: INSTANT_LINES=n assistant lines instead of one, INSTANT_SLEEP_MS=m between them,
   and INSTANT_STAMP=1 writes the wall clock in nanoseconds into each line, right before it is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SESSION "1b671a64-40d5-491e-99b0-da01ff1f3341"
#define MODEL "claude-opus-4-8"

static int lines = 1, pause_ms = 0, stamped = 0;

static int number_from_env(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}

static int has_flag(int argc, char **argv, const char *flag) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], flag)) return 1;
  return 0;
}

static const char *value_of(int argc, char **argv, const char *option) {
  for (int i = 1; i + 1 < argc; i++)
    if (!strcmp(argv[i], option)) return argv[i + 1];
  return "";
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void print_init(void) {
  printf("{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"/\",\"session_id\":\"" SESSION "\",\"tools\":[\"Bash\"],"
         "\"mcp_servers\":[],\"model\":\"" MODEL "\",\"permissionMode\":\"default\",\"apiKeySource\":\"ANTHROPIC_API_KEY\","
         "\"claude_code_version\":\"2.1.329\",\"uuid\":\"63348cf3-693e-4596-88db-2a6bf0917f51\"}\n");
}

static void print_text(int number) {
  char text[160];
  if (stamped)
    snprintf(text, sizeof text, "stamp=%lld line %d of the stream", now_ns(), number);
  else
    snprintf(text, sizeof text, "The answer is 42. Line %d of the stream, about as long as a usual sentence.", number);
  printf("{\"type\":\"assistant\",\"message\":{\"id\":\"msg_%d\",\"type\":\"message\",\"role\":\"assistant\","
         "\"model\":\"" MODEL "\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":null,"
         "\"usage\":{\"input_tokens\":12,\"output_tokens\":1,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0}},"
         "\"parent_tool_use_id\":null,\"session_id\":\"" SESSION "\",\"uuid\":\"c238857d-95a3-47f3-bd46-b65e6352aa4f\"}\n",
         number, text);
}

static void print_result(void) {
  printf("{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"duration_ms\":1,\"duration_api_ms\":1,"
         "\"num_turns\":1,\"result\":\"The answer is 42.\",\"stop_reason\":\"end_turn\",\"session_id\":\"" SESSION "\","
         "\"total_cost_usd\":0.000285,\"usage\":{\"input_tokens\":12,\"cache_creation_input_tokens\":0,"
         "\"cache_read_input_tokens\":0,\"output_tokens\":9},\"modelUsage\":{},\"permission_denials\":[],"
         "\"uuid\":\"d46023ce-788d-4aad-9d54-a3f396ddb6f2\"}\n");
  fflush(stdout);
}

static void answer_prompt(void) {
  print_init();
  for (int i = 0; i < lines; i++) {
    print_text(i);
    if (pause_ms || stamped) fflush(stdout);
    if (pause_ms) usleep(pause_ms * 1000);
  }
  print_result();
}

static void answer_control(const char *request) {
  const char *id = strstr(request, "\"request_id\":");
  if (!id || !(id = strchr(id + strlen("\"request_id\":"), '"'))) return;
  const char *end = strchr(++id, '"');
  if (!end) return;
  printf("{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"%.*s\",\"response\":{}}}\n",
         (int)(end - id), id);
  fflush(stdout);
}

static void converse(void) {
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) > 0) {
    if (strstr(line, "\"type\":\"control_request\"")) answer_control(line);
    else if (strstr(line, "\"type\":\"user\"")) answer_prompt();
  }
  free(line);
}

static void skip_prompt(void) {
  char buffer[65536];
  while (read(STDIN_FILENO, buffer, sizeof buffer) > 0) {}
}

int main(int argc, char **argv) {
  lines = number_from_env("INSTANT_LINES", 1);
  pause_ms = number_from_env("INSTANT_SLEEP_MS", 0);
  stamped = number_from_env("INSTANT_STAMP", 0);
  if (has_flag(argc, argv, "--version")) {
    puts("2.1.329 (Claude Code)");
  } else if (!strcmp(value_of(argc, argv, "--input-format"), "stream-json")) {
    converse();
  } else {
    skip_prompt();
    if (strcmp(value_of(argc, argv, "--output-format"), "json")) answer_prompt();
    else print_result();
  }
  return 0;
}
