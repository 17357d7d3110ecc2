// What the server says in English, told in Chinese too: sentences, and reasons by their codes.

/** Sentences that do not change, and those with figures or names in them: [pattern, what is said]. */
const SENTENCES = {
  "the picture scores no better than a blank one": "这张图片的得分不比空白图片高",
  "no part of the picture lowers the score when it is covered": "遮住任何部分都不会降低得分",
  "no part of the picture counts more than random ones of equal area": "没有哪个部分比等面积的随机区域更重要",
  "a text of one word has nothing to leave out": "只有一个词，无从省略",
  "no word that is left out lowers the score": "省略任何一个词都不会降低得分",
  "that token is not good here.": "此令牌无效。",
};
const PATTERNS = [
  [/^how well .* is found is unmeasured: .*$/s, "效果没有测量：至少要两个文件，以及 10 个未教的文件。"],
  [/^.* is not found better than by chance: .*$/s, "并不比随机更好：模型看不出这些文件有什么共同点。"],
  [/^the caption carried this hit, .* is ([\d.]+)$/s, "主要根据说明文字找到，名称说的是图片，而图片只占 $1"],
  [/^the text read in it carried this hit, .* is ([\d.]+)$/s, "主要根据图中文字找到，名称说的是图片，而图片只占 $1"],
  [/^a file of the same bytes is here already: no\. (\d+)(.*), and could not be read: .*$/s, "已有同一文件：第 $1 项$2，无法读取"],
  [/^a file of the same bytes is here already: no\. (\d+)(.*)\.$/s, "已有同一文件：第 $1 项$2"],
  [/^marks from before count: (\d+) \+, (\d+) -$/, "以前的标记也计入：$1 个多找，$2 个不要"],
  [/^marked files that did not count: (\d+), gone$/, "$1 个标记没有计入：文件已不在"],
  [/^marked files that did not count: (\d+), could not be read$/, "$1 个标记没有计入：文件无法读取"],
  [/^marked files that did not count: (\d+), not taken in yet$/, "$1 个标记没有计入：文件还没有收入"],
  [/^marked files that did not count: (\d+), of another kind .*$/, "$1 个标记没有计入：与所找的种类不同"],
  [/^this was not judged: too few captions .*$/s, "没有判断是否匹配：已知的这种文字的说明太少"],
  [/^this was not judged: wanted one term .*$/s, "没有判断是否匹配：几项合起来多少分才算匹配，无从知道"],
  [/^this was not judged: wanted words to reject by, got the taught name '(.*?)'.*$/s, "没有判断是否匹配：教过的名称“$1”多少分才算匹配，无从知道"],
  [/^this was not judged: .*$/s, "没有判断是否匹配：对这样的问题，多少分才算匹配无从知道"],
  [/^the order did not count: .*$/s, "没有按日期排列：无法知道哪些真正匹配，所以最匹配的在前"],
  [/^no file meets (.*)$/s, "没有文件符合 $1"],
  [/^'(.*)' was taught by files of .*$/s, "“$1”是用另一种文件教的，在这里没有计入"],
  [/^captions did not count: .*$/s, "说明文字没有计入（只在单独的文字搜索中计入）"],
  [/^read text did not count: .*$/s, "图中文字没有计入（只在单独的文字搜索中计入）"],
  [/^captions and read text did not count: .*$/s, "说明和图中文字没有计入（只在单独的文字搜索中计入）"],
  [/^wanted a name that begins and ends .*$/s, "名称要以文字或数字开头和结尾，不能太长。"],
  [/^wanted a name that words can hold.*$/s, "名称不能像文件名，也不能含引号、斜杠、* 或单独的 + 和 -。"],
  [/^wanted a name of more than one letter.*$/s, "名称要多于一个字母。"],
  [/^wanted words without quotes to take out.*$/s, "减号后的词不能带引号。"],
  [/^wanted a file of .*, as its name ends, got (.*)\.$/s, "这里不收这类文件：$1"],
  [/^wanted a collection of a folder to add to.*$/s, "这个图库来自一张表：请在表中加一行，再更新。"],
];

/** Why a request was refused, by its code; {said} is what the server says, where that tells more. */
const REFUSALS = {
  busy: "现在请求太多，请稍后再试。",
  too_long: "用时过长，已停止。",
  too_deep: "请求嵌套过深。",
  not_json: "请求不是有效的 JSON。",
  failed: "服务器出错，日志中记有此请求的编号。",
  host: "服务器不接受这个名称，请用允许的名称访问。",
  origin: "请求来自其他网站，已拒绝。",
  token: "需要令牌。",
  scope: "此令牌没有这项权限。",
  slow: "请求没有及时送达。",
  too_large: "文件过大：{said}",
  index_away: "存放向量的数据库暂时没有回应，请稍后再试。",
  updating: "图库正在更新，请稍后再试。",
  upload: "文件发送已久，请重新发送。",
  item: "没有这一项，或其文件已不在。",
  not_possible: "无法完成：{said}",
  invalid: "请求有误：{said}",
  not_found: "没有这个地址。",
  method: "这个地址不接受这种请求。",
  refused: "请求被拒绝。",
};

/** What became of a file, by its code. */
const FILES = {
  // failed
  broken: "已损坏或不完整",
  denied: "没有读取权限",
  empty: "文件是空的",
  empty_clip: "片段是空的",
  missing: "文件不存在",
  no_decoder: "缺少 HEIC 解码器",
  no_media: "没有画面，也没有声音",
  no_picture: "没有画面",
  no_sound: "没有声音",
  not_a_file: "不是普通文件",
  not_an_image: "不是可读的图片",
  not_finite: "含有无效的数值",
  not_media: "不是图片、声音或视频",
  bad_rate: "采样率无效",
  timeout: "读取超时",
  too_big: "文件过大",
  too_many_pixels: "像素过多",
  unread: "无法读取",
  unreadable: "无法读取",
  // searchable, but not as it is
  caption_unread: "说明文字无法读取",
  cut: "只读取了前一部分",
  cut_short: "不完整",
  damaged: "部分已损坏",
  depth: "已换算为 8 位",
  duration: "文件头所示时长有误",
  first_frame: "只用第一帧",
  first_page: "只用第一页",
  late: "画面开始较晚",
  loud: "声音过响",
  moments_unread: "部分片段无法读取",
  one_channel: "只用一个声道",
  resized: "画面大小有变化",
  silent: "只有静音",
  transparent: "完全透明",
  // passed over
  broken_link: "失效的链接",
  companion: "附属文件",
  embedded: "表格内嵌的文件",
  empty_cell: "没有写文件",
  hidden: "隐藏文件",
  ignored: "已设为忽略",
  link: "重复的链接",
  live: "实况照片的视频",
  lone_text: "没有对应媒体的文字",
  name: "文件名无法读取",
  no_file: "不是文件",
  other_kind: "其他类型",
  outside: "指向文件夹之外",
  raw: "相机原始文件",
  repeated: "重复列出",
};

/** A sentence of the server's in Chinese; undefined where it is not known. */
export function sentence(said) {
  if (SENTENCES[said]) return SENTENCES[said];
  const [pattern, chinese] = PATTERNS.find(([one]) => one.test(said)) || [];
  return pattern && said.replace(pattern, chinese);
}

/** What a code stands for in Chinese, for a file or a refusal; undefined where it is not known. */
export const coded = (code, said = "") => FILES[code] || REFUSALS[code]?.replace("{said}", said);
