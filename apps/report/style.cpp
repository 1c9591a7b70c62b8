// The style sheet of the report: light and dark pages, narrow ones, paper. Words are never broken, except
// where html.cpp allows it; a table or a name that is wider than the page is scrolled by itself.
#include "apps/report/html.h"

namespace gadolin::report {

const char* const style_sheet = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--line:#d5d9de;--soft:#f4f6f8;
--accent:#0072B2;--warn:#E69F00}
@media screen and (prefers-color-scheme:dark){
:root{--ink:#e6e8ea;--page:#15181b;--line:#3a4047;--soft:#1f2429;--accent:#56B4E9}}
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page)}
main{max-width:1180px;margin:0 auto;padding:24px}
h1{font-size:26px;line-height:1.25;margin:0}
h2{margin:32px 0 8px;border-bottom:2px solid var(--accent)}
h3{margin:20px 0 6px;font-size:16px}
h1,h2,h3{overflow-x:auto;overflow-y:hidden}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
caption{text-align:left;font-weight:600;padding:8px 0;white-space:nowrap}
th,td{border-bottom:1px solid var(--line);padding:3px 14px 3px 0;text-align:left;vertical-align:top}
td small{opacity:.8;white-space:nowrap}
.scroll{overflow-x:auto}
.cards{display:grid;gap:12px;margin:14px 0;
grid-template-columns:repeat(auto-fill,minmax(min(165px,100%),1fr))}
.card{background:var(--soft);border-radius:8px;padding:10px 12px}
.card b{display:block;font-size:24px}
.card small{opacity:.8}
.figures{display:flex;flex-wrap:wrap;gap:18px;align-items:flex-start;margin:14px 0}
figure{margin:0;max-width:100%}
figure svg{display:block;max-width:100%;height:auto}
figure.wide{overflow-x:auto}
figure.wide svg{max-width:none}
figcaption,.note,details{font-size:13px}
figcaption,.note{opacity:.85}
.figures figcaption{max-width:360px}
summary{cursor:pointer}
.facts{display:flex;flex-wrap:wrap;gap:0 28px}
.facts>div{flex:1 1 300px;min-width:0;max-width:100%}
.facts th{white-space:nowrap}
.gallery{display:flex;flex-wrap:wrap;gap:14px}
.gallery figure{width:172px}
.gallery figure.pair{width:346px}
.gallery img{width:172px;height:172px;object-fit:contain;background:#000;border-radius:4px}
.gallery .pair img{width:calc(50% - 1px)}
.gallery .pair img+img{margin-left:2px}
.gallery.drawn figure{width:min(360px,100%)}
.gallery.drawn img{width:100%;height:auto;max-height:480px}
.gallery figcaption{overflow-x:auto}
.warning{border-left:4px solid var(--warn);padding:8px 12px;background:var(--soft)}
.runs{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:28px}
.runs>section{min-width:0}
@media(max-width:480px){main{padding:12px}h1{font-size:22px}.gallery .pair img{height:auto;aspect-ratio:1}}
@media print{
:root{color-scheme:light}
main{max-width:none;padding:0}
body{font-size:11px}
table{font-size:10px}
h1,h2,h3,.scroll,figure.wide,.gallery figcaption{overflow:visible}
figure.wide svg{max-width:100%}
h2,h3,caption,thead{break-after:avoid}
thead{display:table-header-group}
figure,.card,tr,.warning{break-inside:avoid}
details{display:none}
.card{border:1px solid var(--line)}
.runs{display:block}
*{print-color-adjust:exact}}
)";

}  // namespace gadolin::report
